"""Scores agree with scikit-image, and with what they are on cases done by hand."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import adapted_rand_error
from skimage.metrics import variation_of_information as skimage_voi

from pipeline.evaluation import ContingencyTable, adapted_rand, variation_of_information
from pipeline.evaluation.scores import cremi

SHAPE = (3, 4, 5)
VOLUMES = hnp.arrays(np.int64, SHAPE, elements=st.integers(0, 6))


@given(truth=VOLUMES, segmentation=VOLUMES)
def test_adapted_rand_is_scikit_image_s(truth: np.ndarray, segmentation: np.ndarray) -> None:
    table = ContingencyTable.count(truth, segmentation).labelled
    assume(max(table.truth_sizes, default=0) > 1)
    assume(max(table.segmentation_sizes, default=0) > 1)
    # scikit-image names the two the other way round: see the next test
    are, recall, precision = adapted_rand_error(truth, segmentation, ignore_labels=(0,))
    assert adapted_rand(table) == pytest.approx((are, precision, recall), abs=1e-12)


def test_mergers_lower_precision_and_splits_lower_recall() -> None:
    one, halves = np.ones(100, int), np.repeat([1, 2], 50)
    merged = adapted_rand(ContingencyTable.count(halves, one))
    split = adapted_rand(ContingencyTable.count(one, halves))
    joined_pairs = 2 * 50 * 49 / (100 * 99)
    assert merged[1:] == pytest.approx((joined_pairs, 1))
    assert split[1:] == pytest.approx((1, joined_pairs))
    assert merged.are == split.are == pytest.approx(1 - 2 * joined_pairs / (1 + joined_pairs))


@given(truth=VOLUMES, segmentation=VOLUMES)
def test_variation_of_information_is_scikit_image_s(truth: np.ndarray, segmentation: np.ndarray) -> None:
    table = ContingencyTable.count(truth, segmentation)
    expected = skimage_voi(truth, segmentation)
    assert variation_of_information(table) == pytest.approx(expected, abs=1e-12)


def test_variation_of_information_of_halving_is_one_bit() -> None:
    one, halves = np.ones(100, int), np.repeat([1, 2], 50)
    assert variation_of_information(ContingencyTable.count(one, halves)) == pytest.approx((1, 0))
    assert variation_of_information(ContingencyTable.count(halves, one)) == pytest.approx((0, 1))


@given(truth=VOLUMES, rename=st.permutations(range(7)))
def test_a_segmentation_equal_up_to_its_ids_is_perfect(truth: np.ndarray, rename: list[int]) -> None:
    table = ContingencyTable.count(truth, np.array(rename)[truth])
    assert adapted_rand(table) == pytest.approx((0, 1, 1))
    assert variation_of_information(table) == pytest.approx((0, 0), abs=1e-12)


@given(sizes=st.lists(st.integers(2, 10**10), min_size=2, max_size=30), order=st.randoms())
def test_what_is_perfect_in_a_huge_volume_is_no_better(sizes: list[int], order: Random) -> None:
    ids = np.arange(1, 1 + len(sizes), dtype=np.uint64)
    others = np.array(order.sample(range(1, 1 + len(sizes)), len(sizes)), np.uint64)
    table = ContingencyTable(ids, others, np.array(sizes, np.int64))
    for are, precision, recall in (adapted_rand(table), (cremi(table).are, 1.0, 1.0)):
        assert are is not None
        assert precision is not None
        assert recall is not None
        assert 0 <= are < 1e-12
        assert max(precision, recall) <= 1


def test_scores_of_no_voxels_are_undefined() -> None:
    nothing = ContingencyTable.total([])
    assert adapted_rand(nothing) == (None, None, None)
    assert variation_of_information(nothing) == (None, None)


def test_scores_stay_exact_when_volumes_are_huge() -> None:
    """Two objects of 10^12 voxels each, merged: half of the pairs are wrong, and one bit is lost."""
    size = 10**12
    table = ContingencyTable(np.array([1, 2], np.uint64), np.array([7, 7], np.uint64), np.array([size, size]))
    assert adapted_rand(table) == pytest.approx((1 / 3, 0.5, 1), abs=1e-9)
    assert variation_of_information(table) == pytest.approx((0, 1), abs=1e-9)


@given(truth=VOLUMES, segmentation=VOLUMES)
def test_cremi_scores_are_those_of_its_definition(truth: np.ndarray, segmentation: np.ndarray) -> None:
    truth[0, 0] = 1
    labelled = truth != 0
    a, b = truth[labelled], segmentation[labelled]
    apart = np.where(b == 0, 100 + np.arange(b.size), b)  # for ARE unsegmented voxels are segments each
    joined = [float((ids[:, None] == ids[None]).sum()) for ids in (a, apart, a * 1000 + apart)]
    are = 1 - 2 * joined[2] / (joined[0] + joined[1])
    split, merge = skimage_voi(a, b)
    found = cremi(ContingencyTable.count(truth, segmentation))
    assert found == pytest.approx((are, split, merge, np.sqrt(are * (split + merge))), abs=1e-7)


def test_cremi_scores_of_no_labelled_voxels_are_undefined() -> None:
    nothing = np.zeros((2, 2), int)
    assert cremi(ContingencyTable.count(nothing, nothing + 1)) == (None, None, None, None)
