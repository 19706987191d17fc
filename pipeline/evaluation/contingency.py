"""ContingencyTable: how many voxels each pair of a truth segment and a segment shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SLAB_VOXELS = 1 << 22
"""Voxels counted at a time: enough to be fast, few enough to need little memory."""

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
        a, b = truth.reshape(-1), segmentation.reshape(-1)
        slabs = (slice(i, i + SLAB_VOXELS) for i in range(0, a.size, SLAB_VOXELS))
        return cls.total([cls._count_slab(a[slab], b[slab]) for slab in slabs])

    @classmethod
    def _count_slab(cls, truth: np.ndarray, segmentation: np.ndarray) -> ContingencyTable:
        # Ids run on along x: counting runs of equal pairs leaves an order of magnitude less to sort.
        starts_run = (truth[1:] != truth[:-1]) | (segmentation[1:] != segmentation[:-1])
        starts = np.concatenate(([0], np.flatnonzero(starts_run) + 1))
        lengths = np.diff(starts, append=truth.size)
        return cls._add_up(truth[starts].astype(np.uint64), segmentation[starts].astype(np.uint64), lengths)

    @classmethod
    def total(cls, tables: Sequence[ContingencyTable]) -> ContingencyTable:
        """The table of all voxels that `tables` counted; of none, the empty table."""
        empty = cls(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))
        tables = [empty, *tables]
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

    @property
    def labelled(self) -> ContingencyTable:
        """The part where truth is not 0."""
        return self._where(self.truth != 0)

    @property
    def segmented(self) -> ContingencyTable:
        """The part where the segmentation is not 0."""
        return self._where(self.segmentation != 0)

    @property
    def blank(self) -> ContingencyTable:
        """The part where the segmentation is 0."""
        return self._where(self.segmentation == 0)

    def _where(self, rows: NDArray[np.bool_]) -> ContingencyTable:
        return ContingencyTable(self.truth[rows], self.segmentation[rows], self.voxels[rows])

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


def _sizes(ids: Ids, voxels: Counts) -> Counts:
    unique, index = np.unique(ids, return_inverse=True)
    sizes = np.zeros(unique.size, np.int64)
    np.add.at(sizes, index, voxels)
    return sizes
