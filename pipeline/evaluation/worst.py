"""Where a segmentation is wrong: the objects that cost most, each with a point to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import fastremap
import numpy as np

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.geometry import Box, Triple, triple
from pipeline.volumes import Volume

KEPT = 512
"""Of the voxels of a seam in one block so many are kept, evenly spread, to find its middle."""


@dataclass(frozen=True)
class Wrong:
    """A split, a merger, or a blank in one object; what it costs and where it is."""

    kind: Literal["split", "merger", "blank"]
    bits: float
    """Its part of the variation of information of the labelled voxels."""
    truth: tuple[int, ...]
    """The true object that is split or blank; of a merger the two with most voxels."""
    segments: tuple[int, ...]
    """The segment that merges; of a split the two with most voxels; none of a blank."""
    voxels: int
    """Those that lie in the smaller one of the two, or in the blank."""
    point: Triple | None = None
    """In the middle of the seam between the two where they touch, else inside the smaller one; z, y, x."""

    def as_dict(self) -> dict[str, Any]:
        """As a JSON file holds it."""
        return asdict(self)


def worst(table: ContingencyTable, most: int) -> list[Wrong]:
    """The `most` costliest errors in the labelled voxels of a table, the costliest first.

    All errors together cost their variation of information, where what is not segmented is one segment. A
    split costs p(t, s) log2(p(t) / p(t, s)) over the segments s in what is segmented of the object t, a
    merger p(t, s) log2(p(s) / p(t, s)) over the objects in s, and the blank of an object the rest: that it is
    parted from the segmented voxels and joined with all other blank ones. Ties are in order of ids.
    """
    table = table.labelled
    covered, n = table.segmented, max(1, table.total_voxels)
    found = _blanks(table.blank, covered, n)
    for t, bits, parts, size in _groups(covered.truth, covered.segmentation, covered.voxels, n):
        found.append(Wrong("split", bits, (t,), parts, size))
    for s, bits, parts, size in _groups(covered.segmentation, covered.truth, covered.voxels, n):
        found.append(Wrong("merger", bits, parts, (s,), size))
    found.sort(key=lambda wrong: (-wrong.bits, wrong.kind, wrong.truth, wrong.segments))
    return found[:most]


def located(
    wrongs: Sequence[Wrong], segmentation: Volume, truth: Volume, blocks: Iterable[Box], inside: Box
) -> list[Wrong]:
    """The same with their points, found in the blocks of `inside`. Raises InputError as reading does."""
    places = [_Place() for _ in wrongs]
    for block in blocks:
        read = (
            Box(block.start, triple([n + 1 for n in block.stop])) & inside
        )  # a seam may be between two blocks
        ids, labels = segmentation.read(read), truth.read(read)
        there = set(fastremap.unique(ids).tolist()), set(fastremap.unique(labels).tolist())
        for wrong, place in zip(wrongs, places):
            if there[0].isdisjoint(wrong.segments or (0,)) or there[1].isdisjoint(wrong.truth):
                continue
            place.look(wrong, ids, labels, read.start)
    return [replace(wrong, point=place.middle()) for wrong, place in zip(wrongs, places)]


@dataclass
class _Place:
    """Voxels at which one sees an error: those on its seam, and those of its smaller part."""

    seam: list[np.ndarray] = field(default_factory=list)
    part: list[np.ndarray] = field(default_factory=list)

    def look(self, wrong: Wrong, ids: np.ndarray, labels: np.ndarray, start: Triple) -> None:
        if wrong.kind == "blank":
            self.part.append(_some(np.isin(labels, wrong.truth) & (ids == 0), start))
            return
        if wrong.kind == "split":
            whole, parts, of = labels == wrong.truth[0], wrong.segments, ids
        else:
            whole, parts, of = ids == wrong.segments[0], wrong.truth, labels
        larger, smaller = (whole & (of == part) for part in parts)
        self.seam.append(_some(_touching(smaller, larger), start))
        self.part.append(_some(smaller, start))

    def middle(self) -> Triple | None:
        """The kept voxel that is nearest to the mean of all, on the seam if there is one."""
        for found in (self.seam, self.part):
            voxels = np.concatenate([np.zeros((0, 3), np.int64), *found])
            if len(voxels):
                away = ((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1)
                return triple(voxels[int(away.argmin())].tolist())
        return None


def _blanks(blank: ContingencyTable, covered: ContingencyTable, n: int) -> list[Wrong]:
    """What is not segmented of each true object."""
    segmented = dict(zip(covered.truth.tolist(), _totals(covered.truth, covered.voxels).tolist()))
    all_blank = blank.total_voxels
    found = []
    for t, missing in zip(blank.truth.tolist(), blank.voxels.tolist()):
        there = segmented.get(t, 0)
        apart = missing * np.log2((missing + there) / missing)
        apart += there * np.log2((missing + there) / there) if there else 0
        joined = missing * np.log2(all_blank / missing)
        found.append(Wrong("blank", float(apart + joined) / n, (t,), (), missing))
    return found


def _groups(
    of: np.ndarray, parts: np.ndarray, voxels: np.ndarray, n: int
) -> list[tuple[int, float, tuple[int, int], int]]:
    """Of each id that has more than one part: its bits, the two largest parts, and voxels of the second."""
    order = np.lexsort((parts, -voxels, of))
    of, parts, voxels = of[order], parts[order], voxels[order]
    bits = voxels / n * np.log2(_totals(of, voxels) / voxels)
    ids, first, count = np.unique(of, return_index=True, return_counts=True)
    sums = np.add.reduceat(bits, first) if len(first) else bits
    return [
        (int(i), float(cost), (int(parts[a]), int(parts[a + 1])), int(voxels[a + 1]))
        for i, a, many, cost in zip(ids, first, count, sums)
        if many > 1
    ]


def _totals(ids: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """For each row the voxels of all rows with its id."""
    _, index = np.unique(ids, return_inverse=True)
    return np.bincount(index, voxels)[index]


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
