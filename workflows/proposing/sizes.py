"""What fits a volume: FOV and deltas by its voxels, boxes by its labels, tiles by the memory of a worker."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, Triple, triple
from pipeline.tile_grid import TileGrid
from pipeline.volumes import VoxelSize
from workflows.planning.tile_choices import (
    BYTES_OF_A_WORKER,
    BYTES_PER_TILE_VOXEL,
    SIDES,
    fitted,
    overlap_for,
    within,
)

LEAST_FOV = 9
"""Voxels along an axis of thick sections: of fewer a network sees too little to follow a neurite."""

TRAINED_SHARE = 0.6
"""Of the labelled part's longest axis; the rest is held back, to be scored."""


def fov_for(base: int, voxel_size_nm: VoxelSize | None, room: Triple, reach: int) -> tuple[Triple, Triple]:
    """FOV and deltas of about `base` of the finest voxels along every axis, and a quarter of that.

    The patch of an example, whose FOV moves by `reach` deltas, is no longer than `room`. Raises InputError.
    """
    size = voxel_size_nm or (1.0, 1.0, 1.0)
    fov = []
    for axis, length, along in zip("zyx", room, size):
        wanted = max(LEAST_FOV, base * min(size) / along)
        fitting = [f for f in range(3, base + 1, 2) if f <= wanted + 1 and f + 2 * reach * _step(f) <= length]
        if not fitting:
            raise InputError(
                f"the volume, or its labelled part, is {length} voxels along {axis}: too thin for the "
                f"smallest FOV with its moves, {3 + 2 * reach} voxels; give a thicker one"
            )
        fov.append(min(fitting, key=lambda f: abs(f - wanted)))
    return triple(fov), triple([_step(f) for f in fov])


def _step(fov: int) -> int:
    return max(1, fov // 4)


def split(labelled: Box, network: Network, reach: int) -> tuple[Box, Box | None]:
    """Where to train, and where to segment and score what training did not see; None where there is no room.

    The labelled part is cut along its longest axis; a patch's radius lies between the two.
    """
    radius = patch_radius(network, reach)
    axis = max(range(3), key=lambda a: labelled.shape[a])
    length, gap = labelled.shape[axis], radius[axis]
    trained = max(2 * gap + 1, round(TRAINED_SHARE * length))
    trained = min(trained, length - gap - 2 * network.fov[axis])
    if trained < 2 * gap + 1:
        return labelled, None
    stop, start = list(labelled.stop), list(labelled.start)
    stop[axis] = labelled.start[axis] + trained
    start[axis] = stop[axis] + gap
    return Box(labelled.start, triple(stop)), Box(triple(start), labelled.stop)


def tile_for(box: Box, fov: Triple, workers: int, bytes_per_worker: float) -> tuple[Triple, Triple]:
    """The largest tile, and the overlap, that leave every worker something to do and have room in its memory.

    Tiles are as long along every axis as the FOV is there; where none fits it is the smallest.
    """
    proposals = [_fitted_tile(box, fov, side) for side in sorted(SIDES, reverse=True)]
    for tile, overlap in proposals:
        if len(TileGrid(box, tile, overlap)) >= workers and tile_bytes(tile, fov) <= bytes_per_worker:
            return tile, overlap
    return proposals[-1]


def tile_bytes(tile: Sequence[int], fov: Triple) -> float:
    """Memory of a worker that segments such a tile, with the context that may be mirrored around it."""
    voxels = math.prod(t + 2 * (f // 2) for t, f in zip(tile, fov))
    return BYTES_OF_A_WORKER + BYTES_PER_TILE_VOXEL * voxels


def _fitted_tile(box: Box, fov: Triple, side: int) -> tuple[Triple, Triple]:
    """The tile that fits the box evenly, of about `side` where the FOV is longest, and its overlap."""
    overlap = overlap_for(fov)
    tile = [
        min(length, fitted(length, side * f // max(fov), shared))
        for length, f, shared in zip(box.shape, fov, overlap)
    ]
    return triple(tile), within(overlap, tile)
