"""Run length in a volume: the segment at every node of skeletons, read where there are nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.lost_runs import lost_runs
from pipeline.evaluation.run_length import expected_run_length
from pipeline.evaluation.skeletons import Skeletons
from pipeline.geometry import Box, triple
from pipeline.volumes import Volume, VoxelSize

BLOCK = 128
"""Voxels along each axis that are read at a time, in blocks that lie on multiples of it."""

MOST_LOST = 25


def run_length_in(
    volume: Volume,
    traced: Skeletons,
    merge_threshold_nodes: int,
    counted: Skeletons | None = None,
    joined: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, Any]:
    """`RunLength` along what of some skeletons lies in the volume, its voxel size and the length outside.

    And what costs most of it, under `worst`. `counted` is the part of `traced` that counts; None: all.
    `joined` gives other ids for those of segments, of which the same stands under `agglomerated`.

    Raises InputError where the voxel size is unknown, and where nothing that counts lies in the volume.
    """
    size = volume.voxel_size_nm
    if size is None:
        raise InputError(f"{volume.uri} does not say how large its voxels are: set --voxel-size")
    inside = (traced if counted is None else counted).inside(volume.box, size)
    if not len(inside.edges):
        voxels = traced.voxels(size)
        low, high = voxels.min(axis=0).tolist(), voxels.max(axis=0).tolist()
        raise InputError(
            f"the skeletons lie at voxels {low} to {high} (z, y, x), the segmentation at {volume.box}: "
            + ("none is in it; skeletons are in nm" if counted is None else "nothing of them counts there")
        )
    ids = ids_at(volume, inside, size)

    def along(ids: np.ndarray) -> dict[str, Any]:
        found = expected_run_length(inside, ids, merge_threshold_nodes)
        lost = lost_runs(inside, ids, size, MOST_LOST, merge_threshold_nodes)
        return {**found.as_dict(), "worst": [run.as_dict() for run in lost]}

    return {
        **along(ids),
        "voxel_size_nm": size,
        "length_outside_nm": float(traced.lengths_nm.sum() - inside.lengths_nm.sum()),
        **({} if joined is None else {"agglomerated": along(joined(ids))}),
    }


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
