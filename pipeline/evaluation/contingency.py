"""ContingencyTable: how many voxels each pair of a truth segment and a segment shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SLAB_VOXELS = 1 << 20
"""Voxels counted at a time: enough to be fast, few enough to need little memory."""
ROWS_AT_A_TIME = 1 << 21
"""Rows that may wait to be added up, if there are not more in the sum."""

Ids = NDArray[np.uint64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ContingencyTable:
    """Number of voxels of every (truth id, segmentation id) that occurs, sorted by these ids.

    Three arrays of equal length: `truth` and `segmentation`, uint64, and `voxels`, int64, all
    positive. Equal counts give equal tables, however they were put together. 0 is an id like any other.
    """

    truth: Ids
    segmentation: Ids
    voxels: Counts

    @classmethod
    def count(cls, truth: np.ndarray, segmentation: np.ndarray) -> ContingencyTable:
        """Count the pairs of two integer arrays of one shape; raises ValueError when shapes differ."""
        if truth.shape != segmentation.shape:
            raise ValueError(f"truth has shape {truth.shape}, the segmentation {segmentation.shape}")
        planes = max(1, SLAB_VOXELS // max(1, truth[:1].size))
        slabs = (slice(i, i + planes) for i in range(0, len(truth), planes))
        return cls.total(
            cls._count_slab(truth[slab].reshape(-1), segmentation[slab].reshape(-1)) for slab in slabs
        )

    @classmethod
    def _count_slab(cls, truth: np.ndarray, segmentation: np.ndarray) -> ContingencyTable:
        if truth.size == 0:
            return EMPTY
        # Ids run on along x: counting runs of equal pairs leaves an order of magnitude less to sort.
        starts_run = (truth[1:] != truth[:-1]) | (segmentation[1:] != segmentation[:-1])
        starts = np.concatenate(([0], np.flatnonzero(starts_run) + 1))
        lengths = np.diff(starts, append=truth.size)
        return cls._add_up(truth[starts].astype(np.uint64), segmentation[starts].astype(np.uint64), lengths)

    @classmethod
    def total(cls, tables: Iterable[ContingencyTable]) -> ContingencyTable:
        """The table of all voxels that `tables` counted; of none, the empty table.

        They are taken one by one: memory grows with the rows of the sum, and not with the number of tables.
        """
        total = TableSum()
        for table in tables:
            total.add(table)
        return total.table()

    @classmethod
    def added_up(cls, tables: Sequence[ContingencyTable]) -> ContingencyTable:
        """`total` of tables that are in memory together."""
        return cls._add_up(
            np.concatenate([t.truth for t in tables]),
            np.concatenate([t.segmentation for t in tables]),
            np.concatenate([t.voxels for t in tables]),
        )

    @classmethod
    def _add_up(cls, truth: Ids, segmentation: Ids, voxels: Counts) -> ContingencyTable:
        if truth.size == 0:
            return cls(truth, segmentation, voxels)
        order = np.lexsort((segmentation, truth))
        truth, segmentation = truth[order], segmentation[order]
        is_new = (truth[1:] != truth[:-1]) | (segmentation[1:] != segmentation[:-1])
        first = np.concatenate(([0], np.flatnonzero(is_new) + 1))
        return cls(truth[first], segmentation[first], np.add.reduceat(voxels[order], first))

    @classmethod
    def of_columns(cls, columns: Ids) -> ContingencyTable:
        """The table whose `columns` these are."""
        truth, segmentation, voxels = columns
        return cls(truth, segmentation, voxels.astype(np.int64))

    @property
    def columns(self) -> Ids:
        """Truth, segmentation and voxels, (3, n), as files hold them."""
        return np.stack([self.truth, self.segmentation, self.voxels.astype(np.uint64)])

    def where(self, rows: NDArray[np.bool_]) -> ContingencyTable:
        """The part of these rows."""
        return ContingencyTable(self.truth[rows], self.segmentation[rows], self.voxels[rows])

    def with_segments(self, ids: Callable[[Ids], Ids]) -> ContingencyTable:
        """The table of the same voxels where `ids` gives new segmentation ids for old ones."""
        return self._add_up(self.truth, ids(self.segmentation), self.voxels)

    @property
    def turned(self) -> ContingencyTable:
        """The table of the same voxels with truth for segmentation and segmentation for truth."""
        return self._add_up(self.segmentation, self.truth, self.voxels)

    @property
    def labelled(self) -> ContingencyTable:
        """The part where truth is not 0."""
        return self.where(self.truth != 0)

    @property
    def segmented(self) -> ContingencyTable:
        """The part where the segmentation is not 0."""
        return self.where(self.segmentation != 0)

    @property
    def blank(self) -> ContingencyTable:
        """The part where the segmentation is 0."""
        return self.where(self.segmentation == 0)

    @property
    def total_voxels(self) -> int:
        return int(self.voxels.sum())

    @property
    def truth_sizes(self) -> Counts:
        """Voxels of each truth segment, in the order of the ids."""
        return _sizes(self.truth, self.voxels)

    @property
    def segmentation_sizes(self) -> Counts:
        """Voxels of each segment, in the order of the ids."""
        return _sizes(self.segmentation, self.voxels)


EMPTY = ContingencyTable(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))


class TableSum:
    """A table that others are added to, one by one; they wait, and are added up many together: when they
    have `most_waiting` rows, and no fewer than the sum.
    """

    def __init__(self, most_waiting: int = ROWS_AT_A_TIME) -> None:
        self._waiting = [EMPTY]
        self._rows = 0
        self._most_waiting = most_waiting

    def add(self, table: ContingencyTable) -> None:
        self._waiting.append(table)
        self._rows += len(table.voxels)
        if self._rows > max(self._most_waiting, len(self._waiting[0].voxels)):
            self.table()

    def table(self) -> ContingencyTable:
        """The sum of all that were added until now."""
        self._waiting, self._rows = [ContingencyTable.added_up(self._waiting)], 0
        return self._waiting[0]


def _sizes(ids: Ids, voxels: Counts) -> Counts:
    unique, index = np.unique(ids, return_inverse=True)
    sizes = np.zeros(unique.size, np.int64)
    np.add.at(sizes, index, voxels)
    return sizes
