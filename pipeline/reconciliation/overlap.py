"""Which segments of two tiles meet where the tiles overlap, and in how many voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class OverlapTable:
    """Pairs of segments that meet in the overlap of two tiles: one row each, all columns equally long."""

    a: np.ndarray
    """uint32, id in the first tile."""
    b: np.ndarray
    """uint32, id in the second tile."""
    shared: np.ndarray
    """int64, voxels that are `a` in the first tile and `b` in the second."""
    size_a: np.ndarray
    """int64, voxels of `a` in the overlap that the second tile has labelled, with whatever id."""
    size_b: np.ndarray
    """int64, voxels of `b` in the overlap that the first tile has labelled, with whatever id."""

    @property
    def swapped(self) -> OverlapTable:
        """The same with the tiles in the other order; rows stay where they are."""
        return OverlapTable(self.b, self.a, self.shared, self.size_b, self.size_a)

    def __len__(self) -> int:
        return len(self.shared)


def overlap_evidence(a: np.ndarray, b: np.ndarray) -> OverlapTable:
    """Count, for every pair of segments that meet in the overlap of two tiles, the voxels they share.

    Both blocks are (z, y, x) uint32 arrays over the same Box; 0 is unsegmented and never paired.
    What one tile left blank says nothing about the other's segments, so their sizes leave it out.
    The table is sorted by (id in a, id in b), so equal inputs give equal bytes.
    """
    if a.shape != b.shape:
        raise ValueError(f"blocks of shape {a.shape} and {b.shape} do not cover the same box")
    id_a, id_b, length = _runs(a.ravel(), b.ravel())
    packed = id_a.astype(np.uint64) << np.uint64(32) | id_b
    order = np.argsort(packed)
    packed, length = packed[order], length[order]
    first = np.flatnonzero(np.diff(packed, prepend=np.uint64(0)))  # no pair is 0
    shared = np.add.reduceat(length, first) if len(first) else length
    id_a = (packed[first] >> np.uint64(32)).astype(np.uint32)
    id_b = packed[first].astype(np.uint32)
    return OverlapTable(id_a, id_b, shared, _sum_by(id_a, shared), _sum_by(id_b, shared))


def _runs(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids in two arrays of one dimension, wherever neither is 0, and how often the two are there in a row:
    to sort these is quicker than to sort voxels, of which ten or so in a row are alike."""
    starts = np.flatnonzero((a[1:] != a[:-1]) | (b[1:] != b[:-1])) + 1
    starts = np.concatenate([np.zeros(min(1, len(a)), np.int64), starts])
    length = np.diff(starts, append=len(a))
    a, b = a[starts], b[starts]
    both = (a != 0) & (b != 0)
    return a[both], b[both], length[both]


def _sum_by(ids: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For every row the sum of `counts` over all rows with the same id."""
    _, group = np.unique(ids, return_inverse=True)
    sums = np.zeros(group.max(initial=-1) + 1, np.int64)
    np.add.at(sums, group, counts)
    return sums[group]


def concatenate(tables: Sequence[OverlapTable]) -> OverlapTable:
    """All rows of all tables, in order."""
    empty = overlap_evidence(*np.zeros((2, 0, 0, 0), np.uint32))
    columns = [[getattr(table, f.name) for table in (empty, *tables)] for f in fields(OverlapTable)]
    return OverlapTable(*(np.concatenate(column) for column in columns))
