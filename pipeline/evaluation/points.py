"""Where a segmentation is wrong: a point to look at for each error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.worst import Wrong
from pipeline.geometry import Box, Triple, triple

Read = Callable[[Box], np.ndarray]

LOOKED_AT = 8
"""An error is looked for in at most so many blocks: those that hold most of what it is between."""
KEPT = 512
"""Of the voxels of a seam in one block so many are kept, evenly spread, to find its middle."""


def located(
    wrongs: Sequence[Wrong],
    counted: Iterable[tuple[Box, ContingencyTable]],
    read_segments: Read,
    read_truth: Read,
    inside: Box,
) -> list[Wrong]:
    """The same with their points.

    `counted` are the disjoint blocks of `inside` with their tables, by which an error is looked for in few
    of them. `read_truth` gives 0 where voxels do not count. Raises InputError as reading does.
    """
    places = [_Place() for _ in wrongs]
    for block, here in sorted(_where_to_look(wrongs, counted).items()):
        # a seam may be between two blocks, and the larger part in the one before
        read = block.grow((1, 1, 1)) & inside
        ids, labels = read_segments(read), read_truth(read)
        for number in here:
            places[number].look(wrongs[number], ids, labels, read.start)
    return [replace(wrong, point=place.middle()) for wrong, place in zip(wrongs, places)]


def _where_to_look(
    wrongs: Sequence[Wrong], counted: Iterable[tuple[Box, ContingencyTable]]
) -> dict[Box, list[int]]:
    """Of each block the numbers of the errors to look for there.

    Best are blocks that hold much of both parts, since there they may touch; then those with much of the
    smaller one.
    """
    best: list[list[tuple[int, int, Box]]] = [[] for _ in wrongs]
    for block, table in counted:
        for wrong, found in zip(wrongs, best):
            voxels = [_voxels(table, pair) for pair in wrong.parts]
            if voxels[-1]:
                found.append((min(voxels), voxels[-1], block))
                found.sort(key=lambda each: (-each[0], -each[1], each[2]))
                del found[LOOKED_AT:]
    looked_at: dict[Box, list[int]] = {}
    for number, found in enumerate(best):
        for _, _, block in found:
            looked_at.setdefault(block, []).append(number)
    return looked_at


def _voxels(table: ContingencyTable, pair: tuple[int, int]) -> int:
    """How many voxels a pair has in a table, whose rows are in order."""
    truth, segment = (np.uint64(i) for i in pair)
    rows = slice(*(np.searchsorted(table.truth, truth, side) for side in ("left", "right")))
    at = rows.start + np.searchsorted(table.segmentation[rows], segment)
    there = at < rows.stop and table.segmentation[at] == segment
    return int(table.voxels[at]) if there else 0


@dataclass
class _Place:
    """Voxels at which one sees an error: those on its seam, and those of its smaller part."""

    seam: list[np.ndarray] = field(default_factory=list)
    part: list[np.ndarray] = field(default_factory=list)

    def look(self, wrong: Wrong, ids: np.ndarray, labels: np.ndarray, start: Triple) -> None:
        smaller = _mask(ids, labels, wrong.parts[-1])
        near = _around(smaller)
        if near is None:
            return
        corner = triple([a + n.start for a, n in zip(start, near)])
        self.part.append(_some(smaller[near], corner))
        if wrong.kind != "blank":
            larger = _mask(ids[near], labels[near], wrong.parts[0])
            self.seam.append(_some(_touching(smaller[near], larger), corner))

    def middle(self) -> Triple | None:
        """The kept voxel that is nearest to the mean of all, on the seam if there is one."""
        for found in (self.seam, self.part):
            voxels = np.concatenate([np.zeros((0, 3), np.int64), *found])
            if len(voxels):
                away = ((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1)
                return triple(voxels[int(away.argmin())].tolist())
        return None


def _mask(ids: np.ndarray, labels: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    return (labels == np.uint64(pair[0])) & (ids == np.uint64(pair[1]))


def _around(mask: np.ndarray) -> tuple[slice, ...] | None:
    """The box that holds a mask and one voxel more on all sides; None where the mask is empty."""
    found = []
    for axis in range(3):
        along = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        if not len(along):
            return None
        found.append(slice(max(0, int(along[0]) - 1), int(along[-1]) + 2))
    return tuple(found)


def _touching(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The voxels of mask `a` that have one of mask `b` beside them."""
    near = np.zeros_like(b)
    for axis in range(3):
        moved, kept = np.moveaxis(near, axis, 0), np.moveaxis(b, axis, 0)
        moved[1:] |= kept[:-1]
        moved[:-1] |= kept[1:]
    return a & near


def _some(mask: np.ndarray, start: Triple) -> np.ndarray:
    """Coordinates of at most KEPT voxels of a mask, evenly spread: (n, 3), z, y, x."""
    flat = np.flatnonzero(mask)
    if len(flat) > KEPT:
        flat = flat[np.linspace(0, len(flat) - 1, KEPT).astype(np.int64)]
    return np.stack(np.unravel_index(flat, mask.shape), axis=1) + start
