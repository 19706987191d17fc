"""Of two segmentations it is told which is better, how surely, and which objects they have unlike."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import variation_of_information

from pipeline.evaluation.bootstrap import differences, draw, intervals
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import BoxCounts, count_box
from pipeline.evaluation.differing import differing


def test_all_objects_together_cost_the_variation_of_information() -> None:
    rng = np.random.default_rng(5)
    truth, blank = rng.integers(0, 6, (8, 9, 10)), np.zeros((8, 9, 10), int)
    segmentation = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 9, truth.shape))
    first, other = (ContingencyTable.count(truth, ids) for ids in (blank, segmentation))
    found = differing(first, other, 100)
    assert sorted(each.truth for each in found) == [1, 2, 3, 4, 5]
    labelled = truth != 0
    for bits, ids in (("bits_in_first", blank), ("bits", segmentation)):
        split, merge = variation_of_information(truth[labelled], ids[labelled], ignore_labels=())
        assert sum(getattr(each, bits) for each in found) == pytest.approx(split + merge)


def test_the_same_segmentation_by_other_ids_differs_nowhere() -> None:
    """Its costs are added up in another order, and so rounded otherwise."""
    rng = np.random.default_rng(5)
    truth, ids = rng.integers(1, 20, (20, 20, 20)), rng.permutation(21)
    segmentation = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(1, 20, truth.shape))
    first, other = (ContingencyTable.count(truth, each) for each in (segmentation, 1 + ids[segmentation]))
    assert differing(first, other, 100) == []


def test_the_objects_that_cost_most_more_in_one_are_named_with_what_is_wrong_there() -> None:
    """1 is cut in the first, 2 and 3 are joined in the other, 4 is blank in the other and 5 wrong in both."""
    truth = np.repeat([1, 2, 3, 4, 5], [400, 300, 200, 100, 50])[np.newaxis, np.newaxis]
    x = np.arange(truth.size)[np.newaxis, np.newaxis]
    first = np.where((truth == 1) & (x >= 250), 9, np.where((truth == 5) & (x % 2 > 0), 8, truth))
    other = np.where(truth == 3, 2, np.where((truth == 5) & (x % 2 > 0), 8, truth))
    other[truth == 4] = 0
    a, b = (ContingencyTable.count(truth, ids) for ids in (first, other))
    found = differing(a, b, 10)
    assert [(each.truth, each.is_worse_in_first, each.wrong.what) for each in found] == [
        (1, True, "1 is cut between 1 and 9"),
        (3, False, "2 joins 2 and 3"),
        (2, False, "2 joins 2 and 3"),
    ]
    assert [each.wrong.voxels for each in found] == [150, 200, 200]
    assert differing(a, a, 10) == []
    assert len(differing(a, b, 2)) == 2
    other[..., 910] = 7
    joined = [each for each in differing(a, ContingencyTable.count(truth, other), 9) if each.truth == 2]
    assert [each.wrong.kind for each in joined] == ["merger"]
    [blank] = [each for each in differing(a, ContingencyTable.count(truth, other), 9) if each.truth == 4]
    assert (blank.wrong.kind, blank.wrong.voxels) == ("blank", 99)


def test_a_difference_that_is_alike_everywhere_is_sure_though_scores_vary_from_box_to_box() -> None:
    """In each box a part of the object is cut off, another one in each, and in the other some more of it."""
    first, other = list[BoxCounts](), list[BoxCounts]()
    for box in range(12):
        truth, x = np.full((4, 8, 32), box + 1), np.indices((4, 8, 32))[2]
        for counts, more in ((first, 0), (other, 1)):
            counts.append(count_box(np.where(x < 1 + box + more, truth + 100, truth), truth))
    a, b = draw(first), draw(other)
    own = [intervals(drawn)["filled"]["voi_split"] for drawn in (a, b)]
    assert own[0] is not None
    assert own[1] is not None
    assert own[0][0] < own[1][0] < own[0][1], "by their own intervals nobody could tell"
    sure = differences(a, b)["filled"]["voi_split"]
    assert sure is not None
    assert 0 < sure[0] < sure[1]
    assert differences(a, b)["filled"]["voi_merge"] == pytest.approx((0, 0))
    assert differences(a, a)["filled"]["are"] == (0, 0)
    assert differences(a[:1], b[:1])["filled"]["are"] is None


def test_of_an_object_that_both_have_wrong_that_is_named_which_one_has_worse() -> None:
    truth = np.repeat([1, 2], [400, 300])[np.newaxis, np.newaxis]
    x = np.arange(truth.size)[np.newaxis, np.newaxis]
    cut = np.where((truth == 1) & (x >= 200), 9, truth)
    blank = np.where((truth == 1) & (x < 30), 0, cut)
    first, other = (ContingencyTable.count(truth, ids) for ids in (cut, blank))
    [found] = differing(first, other, 9)
    assert (found.truth, found.wrong.what) == (1, "part of 1 is not segmented")
