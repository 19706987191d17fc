"""The segment at every node of skeletons, read where there are nodes and nowhere else."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.skeletons import Skeletons
from pipeline.geometry import Box, triple
from pipeline.volumes import Volume, VoxelSize

BLOCK = 128
"""Voxels along each axis that are read at a time, in blocks that lie on multiples of it."""


def ids_at(volume: Volume, skeletons: Skeletons, voxel_size_nm: VoxelSize) -> np.ndarray:
    """The id at each node, (nodes,) in the volume's dtype; 0 where a node is outside. Raises InputError."""
    voxels = skeletons.voxels(voxel_size_nm)
    ids = np.zeros(len(voxels), volume.dtype)
    blocks, block_of, nodes = np.unique(voxels // BLOCK, axis=0, return_inverse=True, return_counts=True)
    in_order = np.split(np.argsort(block_of.reshape(-1), kind="stable"), np.cumsum(nodes)[:-1])
    for first, here in zip(blocks, in_order):
        block = Box.of_shape((BLOCK,) * 3, triple([int(n) * BLOCK for n in first])) & volume.box
        if block.is_empty:
            continue
        here = here[np.all((voxels[here] >= block.start) & (voxels[here] < block.stop), axis=1)]
        z, y, x = (voxels[here] - block.start).T
        ids[here] = volume.read(block)[z, y, x]
    return ids
