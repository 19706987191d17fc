"""Give unsegmented voxels the id of the nearest segment: as scipy's distance transform does, and faster.

Nearest is by Euclidean distance in voxels; of equally near voxels the one with the smallest x counts, then y,
then z, which is what scipy's transform comes to. Most blanks are a few voxels thick: there the nearest voxel
is looked for offset by offset, for the blank voxels alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import edt
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from pipeline.evaluation import compiled
from pipeline.geometry import Box, Triple, triple

HALO: Triple = (64, 64, 64)
"""Read around a block to fill it: wherever the nearest segment is no further, cutting changes nothing."""

RINGS = 4
"""Up to this distance, along the axis where it is largest, shells are tried: most blanks are thin."""
RINGS_REACH = math.isqrt(3 * RINGS**2)
NEAR = 16
"""Up to this one shells are tried of the very distance; what lies further is left to scipy's transform."""
MARGIN = 32
"""The compiled code, which looks at lines and not at shells, reads so much around a block at once."""
PART: Triple = (128, 128, 128)
"""Of a block, in which these two are done at a time: they take much memory a voxel."""
AT_A_TIME = 1 << 16
"""Blank voxels looked at together: few enough to stay in a core's cache."""

Read = Callable[[Box], np.ndarray]
Voxels = NDArray[np.int64]
"""Coordinates, (n, 3)."""


def fill(segmentation: np.ndarray) -> np.ndarray:
    """Give each 0 voxel the id of the nearest voxel that is not 0; all 0 stays all 0."""
    unsegmented = segmentation == 0
    if unsegmented.all() or not unsegmented.any():
        return segmentation
    nearest = distance_transform_edt(unsegmented, return_distances=False, return_indices=True)
    return segmentation[tuple(nearest)]


def fill_block(read: Read, block: Box, inside: Box) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a block, as they are and filled, (z, y, x) in the dtype that `read` gives.

    A blank voxel takes the nearest segment of those in `inside`, if it is no further than 64 voxels along
    any axis from the block's part that the voxel lies in; else it may stay 0.
    """
    code = compiled.library()
    around = block.grow((MARGIN,) * 3) & inside
    if code is None or max(around.shape) > compiled.MOST_VOXELS_ALONG:
        return _fill_by_numpy(read, block, inside)
    wide, here = read(around), block.slices(around.start)
    filled, squares, further = compiled.fill_part(code, wide, [n.start for n in here], block.shape, MARGIN)
    for part in block.parts(PART) if further else ():
        own = part.slices(block.start)
        far = (squares[own] > MARGIN * MARGIN) | (squares[own] < 0)
        if far.any():
            bounds = np.where(squares[own] < 0, np.inf, squares[own].astype(np.float32))[far]
            _fill_far(read, part, block.grow(HALO) & inside, np.argwhere(far), np.sqrt(bounds), filled[own])
    return wide[here], filled


def _fill_by_numpy(read: Read, block: Box, inside: Box) -> tuple[np.ndarray, np.ndarray]:
    """As `fill_block`."""
    wide = _with_margin(read, block, NEAR, inside)
    less = NEAR - RINGS_REACH
    ids = np.ascontiguousarray(wide[(slice(less, -less),) * 3])
    core = (slice(RINGS_REACH, -RINGS_REACH),) * 3
    segments, filled = ids[core], ids.copy()
    blank = np.zeros(ids.shape, bool)
    blank[core] = segments == 0
    deep = _fill_shallow(ids, blank, filled)[core]
    filled = filled[core]
    for part in block.parts(PART):
        here = part.slices(block.start)
        voxels = np.argwhere(deep[here])
        if len(voxels):
            around = part.translate(triple([NEAR - n for n in block.start])).grow((NEAR,) * 3)
            near = np.ascontiguousarray(wide[around.slices()])
            far, bounds = _fill_deep(near, voxels, filled[here])
            if len(far):
                _fill_far(read, part, block.grow(HALO) & inside, far, bounds, filled[here])
    return segments, filled


def _with_margin(read: Read, block: Box, margin: int, inside: Box) -> np.ndarray:
    """The ids of a block and `margin` voxels on all sides, 0 beyond `inside`."""
    around = block.grow((margin,) * 3)
    there = around & inside
    ids = read(there)
    if there == around:
        return ids
    return np.pad(
        ids, [(a - b, d - c) for a, b, c, d in zip(there.start, around.start, there.stop, around.stop)]
    )


def _fill_shallow(ids: np.ndarray, blank: np.ndarray, filled: np.ndarray) -> NDArray[np.bool_]:
    """Fill the blank voxels that have a segment in the cube of RINGS voxels around; the others are returned.

    A voxel without a segment in the cube of k - 1 voxels around it, but with one in that of k, has its
    nearest at least k away and at most k times the root of 3.
    """
    further = ids == 0
    for k in range(1, RINGS + 1):
        eroded = _eroded(further)
        _try_shells(ids, np.flatnonzero(blank & further & ~eroded), k * k, 3 * k * k, filled)
        further = eroded
    return blank & further


def _fill_deep(ids: np.ndarray, deep: Voxels, filled: np.ndarray) -> tuple[Voxels, NDArray[np.float32]]:
    """Fill those of the voxels `deep` that have a segment no further than NEAR, which is the margin of `ids`.

    The others are returned, each with a bound of its distance, infinite where no segment was met.
    """
    at, found = deep + NEAR, np.zeros(ids.shape, ids.dtype)
    place = _around(at, NEAR, Box.of_shape(triple(ids.shape)))
    unsegmented = (ids[place.slices()] == 0).view(np.uint8)
    squares = edt.edtsq(unsegmented, black_border=False, parallel=1)[tuple((at - place.start).T)]
    flat, within = np.ravel_multi_index(tuple(at.T), ids.shape), squares <= NEAR * NEAR
    for square in np.unique(squares[within]).astype(int).tolist():
        _try_shells(ids, flat[squares == square], square, square, found)
    filled[tuple(deep[within].T)] = found.reshape(-1)[flat[within]]
    return deep[~within], np.sqrt(squares[~within])


def _fill_far(
    read: Read, part: Box, whole: Box, far: Voxels, bounds: NDArray[np.float32], filled: np.ndarray
) -> None:
    """Fill the voxels `far`, (n, 3) from the part's first, by what lies in `whole`."""
    voxels = far + part.start
    place = _around(voxels, float(bounds.max()), part.grow(HALO) & whole)
    ids = read(place)
    filled[tuple(far.T)] = _nearest(ids, voxels - place.start)


def _nearest(ids: np.ndarray, voxels: Voxels) -> np.ndarray:
    """The nearest of all ids to each of some blank voxels, (n,); 0 where there is none."""
    code, last = compiled.library(), compiled.MOST_VOXELS_ALONG
    if code is not None and max(ids.shape) <= last:
        low, high = voxels.min(axis=0).tolist(), voxels.max(axis=0).tolist()
        shape = [b - a + 1 for a, b in zip(low, high)]
        return compiled.fill_part(code, ids, low, shape, last).ids[tuple((voxels - low).T)]
    unsegmented = ids == 0
    if unsegmented.all():
        return np.zeros(len(voxels), ids.dtype)
    nearest = distance_transform_edt(unsegmented, return_distances=False, return_indices=True)
    return ids[tuple(nearest[(slice(None), *voxels.T)])]


def _around(voxels: Voxels, bound: float, whole: Box) -> Box:
    """The part of `whole` that is no further from one of some voxels than a bound."""
    if not np.isfinite(bound):
        return whole
    low, high = (triple(n.tolist()) for n in (voxels.min(axis=0), voxels.max(axis=0) + 1))
    return Box(low, high).grow((math.ceil(bound),) * 3) & whole


def _try_shells(ids: np.ndarray, at: np.ndarray, low: int, high: int, filled: np.ndarray) -> None:
    """At the flat indices `at` set the first id that is met in shells of squared radius low to high."""
    squares, offsets = _offsets()
    here = slice(np.searchsorted(squares, low), np.searchsorted(squares, high, side="right"))
    steps = offsets[here] @ np.array([ids.shape[1] * ids.shape[2], ids.shape[2], 1])
    flat, found = ids.reshape(-1), filled.reshape(-1)
    for first in range(0, len(at), AT_A_TIME):
        left = at[first : first + AT_A_TIME]
        for tried, step in enumerate(steps.tolist()):
            if left.size * (len(steps) - tried) <= AT_A_TIME:  # few: all that is left to try at once
                there = flat.take(left[:, None] + steps[tried:])
                found[left] = there[np.arange(len(left)), (there != 0).argmax(axis=1)]
                break
            there = flat.take(left + step)
            hit = there != 0
            found[left[hit]] = there[hit]
            left = left[~hit]


@lru_cache(maxsize=1)
def _offsets() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets up to NEAR, (n, 3) z, y, x, and their squared lengths, in the order in which they count."""
    along = np.arange(-NEAR, NEAR + 1)
    offsets = np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1).reshape(-1, 3)
    squares = (offsets**2).sum(axis=1)
    order = np.lexsort((*offsets.T, squares))
    order = order[squares[order] <= NEAR * NEAR]
    return squares[order], offsets[order]


def _eroded(mask: np.ndarray) -> np.ndarray:
    """Those of a mask whose 26 neighbours are all in it; beyond the array all are."""
    for axis in range(3):
        kept = mask.copy()
        here, neighbours = np.moveaxis(kept, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] &= neighbours[:-1]
        here[:-1] &= neighbours[1:]
        mask = kept
    return mask
