"""The three conventions under which a segmentation is scored.

They differ in what an unsegmented voxel (segmentation 0) means:

- `gt_foreground`: all unsegmented voxels together count as one segment.
- `filled`: each unsegmented voxel takes the nearest segment in the box (Euclidean distance in voxels).
- `both_foreground`: unsegmented voxels are left out.

An unlabelled voxel (truth 0) is left out of `both_foreground` altogether, and of every adapted
Rand error. The variation of information of the other two conventions counts it, as one more truth
segment: these are scikit-image's defaults, by which the published scores of FIB-25 were computed.
A voxel whose id says that it is to be ignored is in no score at all: nobody knows what is there.
`coverage` is the part of all voxels in the box that is segmented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.scores import adapted_rand, variation_of_information
from pipeline.geometry import Triple

HALO: Triple = (64, 64, 64)
"""Read around a block to fill it: wherever the nearest segment is no further, cutting changes nothing."""

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

    @classmethod
    def count(cls, truth: np.ndarray, segmentation: np.ndarray, filled: np.ndarray) -> BoxCounts:
        """Count the voxels of three integer arrays of one shape, 0 for nothing."""
        return cls(ContingencyTable.count(truth, segmentation), ContingencyTable.count(truth, filled))

    @classmethod
    def total(cls, counts: Sequence[BoxCounts]) -> BoxCounts:
        """The counts of disjoint boxes taken together."""
        return cls(
            ContingencyTable.total([c.as_is for c in counts]),
            ContingencyTable.total([c.filled for c in counts]),
        )


def count_box(segmentation: np.ndarray, truth: np.ndarray) -> BoxCounts:
    """Count the voxels of one box: two integer arrays of one shape (z, y, x), 0 for nothing."""
    return BoxCounts.count(truth, segmentation, fill(segmentation))


def fill(segmentation: np.ndarray) -> np.ndarray:
    """Give each 0 voxel the id of the nearest voxel that is not 0; all 0 stays all 0."""
    unsegmented = segmentation == 0
    if unsegmented.all() or not unsegmented.any():
        return segmentation
    nearest = distance_transform_edt(unsegmented, return_distances=False, return_indices=True)
    return segmentation[tuple(nearest)]


def score(counts: BoxCounts) -> dict[str, Any]:
    """All scores by convention, as metrics.json holds them; None where one is not defined.

    `{"coverage": x, "gt_foreground": {"are", "precision", "recall", "voi_split", "voi_merge"},
    "filled": {...}, "both_foreground": {...}}`. VOI is in bits. Without any labelled voxel every
    score but the coverage is None.
    """
    both = counts.as_is.labelled.segmented
    n = counts.as_is.total_voxels
    return {
        "coverage": counts.as_is.segmented.total_voxels / n if n else None,
        "gt_foreground": _score(counts.as_is),
        "filled": _score(counts.filled),
        "both_foreground": _score(both),
    }


def _score(table: ContingencyTable) -> dict[str, float | None]:
    labelled = table.labelled
    rand = adapted_rand(labelled)
    voi = variation_of_information(table if labelled.total_voxels else labelled)
    return {
        "are": rand.are,
        "precision": rand.precision,
        "recall": rand.recall,
        "voi_split": voi.split,
        "voi_merge": voi.merge,
    }
