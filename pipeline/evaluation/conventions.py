"""The three conventions under which a segmentation is scored.

They differ in what an unsegmented voxel (segmentation 0) means:

- `gt_foreground`: all unsegmented voxels together count as one segment.
- `filled`: each unsegmented voxel takes the nearest segment in the box (Euclidean distance in voxels).
- `both_foreground`: unsegmented voxels are left out.

Beside them stand the scores in the convention of the CREMI challenge, which `scores.cremi` states.

An unlabelled voxel (truth 0) is left out of `both_foreground` altogether, and of every adapted
Rand error. The variation of information of the other two conventions counts it, as one more truth
segment: these are scikit-image's defaults, by which the published scores of FIB-25 were computed.
A voxel whose id says that it is to be ignored is in no score at all: nobody knows what is there.
`coverage` is the part of all voxels in the box that is segmented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation import compiled
from pipeline.evaluation.contingency import ROWS_AT_A_TIME, ContingencyTable, TableSum
from pipeline.evaluation.filling import fill
from pipeline.evaluation.scores import adapted_rand, cremi, variation_of_information
from pipeline.volumes.labels import LabelVolume

CONVENTIONS = {
    "gt_foreground": "every voxel; the unsegmented count as one segment",
    "filled": "unsegmented voxels take the nearest segment",
    "both_foreground": "voxels that are both labelled and segmented",
}
"""What each means, in a line."""


@dataclass(frozen=True)
class BoxCounts:
    """What scoring needs to know of a box: truth against the segmentation as it is, and filled."""

    as_is: ContingencyTable
    filled: ContingencyTable
    ignored: int = 0
    """Voxels in neither, since nobody knows what is there."""

    @classmethod
    def count(
        cls,
        truth: np.ndarray,
        segmentation: np.ndarray,
        filled: np.ndarray,
        counted: np.ndarray | None = None,
    ) -> BoxCounts:
        """Count the voxels of three integer arrays of one shape, 0 for nothing.

        `filled` is the segmentation with other ids where that is 0. `counted`, bool of that shape, says which
        voxels count; None: all. Raises ValueError when shapes differ.
        """
        code = compiled.library()
        if code is None:
            return cls._count_by_numpy(truth, segmentation, filled, counted)
        found = compiled.count_pairs(code, truth, segmentation, filled, counted)
        as_is, in_blank = (ContingencyTable.added_up([ContingencyTable(*columns)]) for columns in found)
        return cls(as_is, ContingencyTable.added_up([as_is.segmented, in_blank]))

    @classmethod
    def _count_by_numpy(
        cls,
        truth: np.ndarray,
        segmentation: np.ndarray,
        filled: np.ndarray,
        counted: np.ndarray | None,
    ) -> BoxCounts:
        if counted is not None:
            truth, segmentation, filled = truth[counted], segmentation[counted], filled[counted]
        as_is, blank = ContingencyTable.count(truth, segmentation), segmentation == 0
        in_blank = ContingencyTable.count(truth[blank], filled[blank])
        return cls(as_is, ContingencyTable.added_up([as_is.segmented, in_blank]))

    def without_ignored(self, truth: LabelVolume) -> BoxCounts:
        """Leave out the truth ids, as they are stored, that say to be ignored."""
        as_is, filled = (table.where(~truth.is_ignored(table.truth)) for table in (self.as_is, self.filled))
        return BoxCounts(as_is, filled, self.ignored + self.as_is.total_voxels - as_is.total_voxels)

    def with_segments(self, ids: Callable[[np.ndarray], np.ndarray]) -> BoxCounts:
        """The counts of the same voxels where `ids` gives new ids of segments for old ones; 0 stays 0."""
        as_is, filled = (table.with_segments(ids) for table in (self.as_is, self.filled))
        return BoxCounts(as_is, filled, self.ignored)

    @classmethod
    def total(cls, counts: Iterable[BoxCounts]) -> BoxCounts:
        """The counts of disjoint boxes taken together; memory does not grow with their number."""
        total = CountsSum()
        for each in counts:
            total.add(each)
        return total.counts()


class CountsSum:
    """Counts that others of disjoint boxes are added to, one by one; as `TableSum`."""

    def __init__(self, most_waiting: int = ROWS_AT_A_TIME) -> None:
        self._as_is, self._filled, self._ignored = TableSum(most_waiting), TableSum(most_waiting), 0

    def add(self, counts: BoxCounts) -> None:
        self._as_is.add(counts.as_is)
        self._filled.add(counts.filled)
        self._ignored += counts.ignored

    def counts(self) -> BoxCounts:
        """The sum of all that were added until now."""
        return BoxCounts(self._as_is.table(), self._filled.table(), self._ignored)


def count_box(segmentation: np.ndarray, truth: np.ndarray) -> BoxCounts:
    """Count the voxels of one box: two integer arrays of one shape (z, y, x), 0 for nothing."""
    return BoxCounts.count(truth, segmentation, fill(segmentation))


def score(counts: BoxCounts) -> dict[str, Any]:
    """All scores by convention, as metrics.json holds them; None where one is not defined.

    `{"coverage": x, "gt_foreground": {"are", "rand_f_score", "precision", "recall", "voi_split",
    "voi_merge"}, "filled": {...}, "both_foreground": {...}, "cremi": {"are", "voi_split", "voi_merge",
    "score"}}`. VOI is in bits. Without any labelled voxel every
    score but the coverage is None.
    """
    both = counts.as_is.labelled.segmented
    n = counts.as_is.total_voxels
    return {
        "coverage": counts.as_is.segmented.total_voxels / n if n else None,
        "gt_foreground": _score(counts.as_is),
        "filled": _score(counts.filled),
        "both_foreground": _score(both),
        "cremi": cremi(counts.as_is)._asdict(),
    }


def _score(table: ContingencyTable) -> dict[str, float | None]:
    labelled = table.labelled
    rand = adapted_rand(labelled)
    voi = variation_of_information(table if labelled.total_voxels else labelled)
    return {
        "are": rand.are,
        "rand_f_score": rand.f_score,
        "precision": rand.precision,
        "recall": rand.recall,
        "voi_split": voi.split,
        "voi_merge": voi.merge,
    }
