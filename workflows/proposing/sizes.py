"""What fits a volume: FOV and deltas by its voxels, boxes by its labels, tiles by the memory of a worker."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.checkup.drawn import ROOM
from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, Triple, triple
from pipeline.tile_grid import TileGrid
from pipeline.volumes import VoxelSize
from pipeline.wording import counted
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

    The patch of an example, whose FOV moves by `reach` deltas, is no longer than `room`, and leaves examples
    places if that takes no FOV of fewer than LEAST_FOV. Raises InputError.
    """
    size = voxel_size_nm or (1.0, 1.0, 1.0)
    fov = []
    for axis, length, along in zip("zyx", room, size):
        wanted = max(LEAST_FOV, base * min(size) / along)
        patches = {f: f + 2 * reach * _step(f) for f in range(3, base + 1, 2) if f <= wanted + 1}
        fitting = [f for f, patch in patches.items() if patch <= length]
        if not fitting:
            raise InputError(
                f"the volume, or its labelled part, is {counted(length, 'voxel')} along {axis}: too thin for "
                f"the smallest FOV with its moves, {3 + 2 * reach} voxels; give a thicker one"
            )
        follows = [f for f in fitting if f >= LEAST_FOV]
        leaves_places = [f for f in follows if length >= _with_places(patches[f])]
        fov.append(min(leaves_places or follows[:1] or fitting, key=lambda f: abs(f - wanted)))
    return triple(fov), steps_of(fov)


def fov_to_train(
    base: int, voxel_size_nm: VoxelSize | None, labelled: Triple, reach: int
) -> tuple[Triple, Triple]:
    """As `fov_for`, or with a `base` smaller by up to a third, if that alone leaves room to hold back a part
    of what is labelled. Raises InputError."""
    for smaller in range(base, base - base // 3 - 1, -2):
        fov, deltas = fov_for(smaller, voxel_size_nm, labelled, reach)
        if split(Box.of_shape(labelled), Network(fov=fov, deltas=deltas), reach)[1] is not None:
            return fov, deltas
    return fov_for(base, voxel_size_nm, labelled, reach)


def steps_of(fov: Sequence[int]) -> Triple:
    """Deltas that go with a FOV."""
    return triple([_step(f) for f in fov])


def _step(fov: int) -> int:
    return max(1, fov // 4)


def _with_places(patch: int) -> int:
    """Voxels along an axis of which a part of ROOM, the centres of patches of so many, is not too few."""
    return math.ceil((patch - 1) / (1 - ROOM))


def split(labelled: Box, network: Network, reach: int) -> tuple[Box, Box | None]:
    """Where to train, and where to segment and score what training did not see; None where there is no room.

    The labelled part is cut along its longest axis; a patch's radius lies between the two.
    """
    radius = patch_radius(network, reach)
    axis = max(range(3), key=lambda a: labelled.shape[a])
    length, gap = labelled.shape[axis], radius[axis]
    least = _with_places(2 * gap + 1)
    trained = min(max(least, round(TRAINED_SHARE * length)), length - gap - 2 * network.fov[axis])
    if trained < least:
        return labelled, None
    stop, start = list(labelled.stop), list(labelled.start)
    stop[axis] = labelled.start[axis] + trained
    start[axis] = stop[axis] + gap
    return Box(labelled.start, triple(stop)), Box(triple(start), labelled.stop)


def tile_for(
    box: Box, fov: Triple, workers: int, bytes_per_worker: float, overlap: Triple | None = None
) -> tuple[Triple, Triple]:
    """The largest tile, and the overlap, that leave every worker something to do and have room in its memory.

    Tiles are as long along every axis as the FOV is there; where none fits it is the smallest. The overlap is
    the one given, or one and a half FOVs.
    """
    proposals = [
        _fitted_tile(box, fov, side, overlap or overlap_for(fov)) for side in sorted(SIDES, reverse=True)
    ]
    for tile, overlap in proposals:
        if len(TileGrid(box, tile, overlap)) >= workers and tile_bytes(tile, fov) <= bytes_per_worker:
            return tile, overlap
    return proposals[-1]


def tile_bytes(tile: Sequence[int], fov: Triple) -> float:
    """Memory of a worker that segments such a tile, with the context that may be mirrored around it."""
    voxels = math.prod(t + 2 * (f // 2) for t, f in zip(tile, fov))
    return BYTES_OF_A_WORKER + BYTES_PER_TILE_VOXEL * voxels


def overlap_of(tile: Triple, fov: Triple) -> Triple:
    """The overlap of tiles that are given: one and a half FOVs, if a quarter of each is new."""
    return triple([min(shared, t - -(-t // 4)) for shared, t in zip(overlap_for(fov), tile)])


def _fitted_tile(box: Box, fov: Triple, side: int, overlap: Triple) -> tuple[Triple, Triple]:
    """The tile that fits the box evenly, of about `side` where the FOV is longest, and its overlap."""
    tile = [
        min(length, fitted(length, max(side * f // max(fov), 2 * shared), shared))
        for length, f, shared in zip(box.shape, fov, overlap)
    ]
    return triple(tile), within(overlap, tile)
