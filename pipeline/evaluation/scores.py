"""Scores of a segmentation: pure functions of one contingency table."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.evaluation.contingency import ContingencyTable, Counts


class RandScores(NamedTuple):
    """Adapted Rand error with its precision and recall; each is in 0..1, or None where it is 0 / 0."""

    are: float | None
    precision: float | None
    recall: float | None

    @property
    def f_score(self) -> float | None:
        """F1 of precision and recall."""
        return None if self.are is None else 1 - self.are


class CremiScores(NamedTuple):
    """Scores as the CREMI challenge defines them; None for no voxels."""

    are: float | None
    voi_split: float | None
    voi_merge: float | None
    score: float | None
    """The geometric mean of ARE and both parts of VOI together."""


class VariationOfInformation(NamedTuple):
    """Variation of information in bits; its two parts add up to it, and are None for no voxels."""

    split: float | None
    merge: float | None


def adapted_rand(table: ContingencyTable) -> RandScores:
    """Adapted Rand error: 1 - F1 of "these two voxels are one object", over all pairs of voxels.

    Precision is the part of the pairs joined by the segmentation that truth joins too: mergers lower
    it. Recall is the part of the pairs joined by truth that the segmentation joins: splits lower
    it. (scikit-image up to 0.26 returns these two the other way round; the error is the same.)
    0 counts as an id like any other: leave out rows beforehand.

    Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for
    connectomics", Frontiers in Neuroanatomy 9:142 (2015).
    """
    in_both = _pairs(table.voxels)
    in_truth = _pairs(table.truth_sizes)
    in_segmentation = _pairs(table.segmentation_sizes)
    f1 = _ratio(2 * in_both, in_truth + in_segmentation)
    return RandScores(
        are=None if f1 is None else 1 - f1,
        precision=_ratio(in_both, in_segmentation),
        recall=_ratio(in_both, in_truth),
    )


def variation_of_information(table: ContingencyTable) -> VariationOfInformation:
    """Variation of information in bits: split is H(segmentation | truth), merge is H(truth | segmentation).

    False splits raise the first, false mergers the second. 0 counts as an id like any other:
    leave out rows beforehand.

    Meila, "Comparing clusterings: an information based distance", Journal of Multivariate
    Analysis 98 (2007); Nunez-Iglesias et al., PLoS ONE 8:e71715 (2013).
    """
    n = table.total_voxels
    if n == 0:
        return VariationOfInformation(None, None)
    # with H = log2 n - sum(k log2 k) / n for segments of k voxels, and H(a | b) = H(a, b) - H(b)
    joint = _sum_k_log_k(table.voxels)
    split = (_sum_k_log_k(table.truth_sizes) - joint) / n
    merge = (_sum_k_log_k(table.segmentation_sizes) - joint) / n
    return VariationOfInformation(max(0.0, split), max(0.0, merge))


def cremi(table: ContingencyTable) -> CremiScores:
    """CREMI's scores of the labelled voxels: rows of truth 0 are left out, and segmentation 0 is not.

    For VOI all unsegmented voxels are one segment; for ARE each is one of its own, and a voxel and itself are
    a pair like others. CREMI takes voxels near a border in the truth out beforehand; this does not.

    https://cremi.org/metrics and cremi.evaluation in https://github.com/cremi/cremi_python
    """
    table = table.labelled
    blank = table.blank.total_voxels
    in_both = _squares(table.segmented.voxels) + blank
    in_segmentation = _squares(table.segmented.segmentation_sizes) + blank
    f1 = _ratio(2 * in_both, _squares(table.truth_sizes) + in_segmentation)
    voi = variation_of_information(table)
    if f1 is None or voi.split is None or voi.merge is None:
        return CremiScores(None, None, None, None)
    are = 1 - f1
    return CremiScores(are, voi.split, voi.merge, math.sqrt(are * (voi.split + voi.merge)))


def _squares(sizes: Counts) -> float:
    return float(np.sum(sizes.astype(np.float64) ** 2))


def _pairs(sizes: Counts) -> float:
    """Ordered pairs of different voxels within segments of these sizes."""
    k = sizes.astype(np.float64)
    return float(np.sum(k * (k - 1)))


def _ratio(part: float, whole: float) -> float | None:
    """A part of a whole; sums that are equal may differ by their last bit, which makes it no more than 1."""
    return min(1.0, part / whole) if whole else None


def _sum_k_log_k(sizes: Counts) -> float:
    k = sizes.astype(np.float64)
    return float(np.sum(k * np.log2(k)))
