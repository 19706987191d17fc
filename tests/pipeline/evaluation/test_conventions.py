"""The three conventions reproduce the published scores, and are defined in every corner."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import adapted_rand_error
from skimage.metrics import variation_of_information as skimage_voi

from pipeline.evaluation import BoxCounts, count_box, score
from pipeline.evaluation.conventions import fill
from pipeline.volumes import open_volume

VOLUMES = hnp.arrays(np.uint32, (4, 5, 6), elements=st.integers(0, 4))


def test_golden_scores_of_the_fib25_reference_segmentation(fib25: Path) -> None:
    labels = open_volume(f"{fib25 / 'groundtruth_z000_125.h5'}:stack")
    reference = open_volume(f"{fib25 / 'reference_segmentation.h5'}:seg")
    scores = score(count_box(reference.read(labels.box), labels.read(labels.box)))
    golden = {
        "gt_foreground": (0.209833, 0.84702364, 0.74415045),
        "filled": (0.174361, 0.83415885, 0.65116428),
        "both_foreground": (0.121064, 0.57228889, 0.23836806),
    }
    assert scores["coverage"] == pytest.approx(0.904329344, abs=1e-6)
    for convention, expected in golden.items():
        found = scores[convention]
        assert (found["are"], found["voi_split"], found["voi_merge"]) == pytest.approx(expected, abs=1e-6)


@given(truth=VOLUMES, segmentation=VOLUMES)
@settings(deadline=None)
def test_conventions_are_scikit_image_on_the_voxels_they_name(
    truth: np.ndarray, segmentation: np.ndarray
) -> None:
    truth[0, 0], segmentation[0, 0] = 1, 1
    scores = score(count_box(segmentation, truth))
    both = (truth != 0) & (segmentation != 0)
    cases = {
        "gt_foreground": (truth, segmentation),
        "filled": (truth, fill(segmentation)),
        "both_foreground": (truth[both], segmentation[both]),
    }
    for convention, (a, b) in cases.items():
        found = scores[convention]
        are, recall, precision = adapted_rand_error(a, b)
        assert (found["are"], found["precision"], found["recall"]) == pytest.approx((are, precision, recall))
        assert (found["voi_split"], found["voi_merge"]) == pytest.approx(skimage_voi(a, b), abs=1e-12)
    assert scores["coverage"] == pytest.approx(np.mean(segmentation != 0))


@given(segmentation=VOLUMES)
def test_filling_gives_each_voxel_a_segment_at_the_least_distance(segmentation: np.ndarray) -> None:
    filled = fill(segmentation)
    seeds = np.argwhere(segmentation)
    if len(seeds) == 0:
        assert not filled.any()
        return
    for voxel in np.argwhere(segmentation == 0):
        squared = ((seeds - voxel) ** 2).sum(axis=1)
        nearest = segmentation[tuple(seeds[squared == squared.min()].T)]
        assert filled[tuple(voxel)] in nearest
    kept = segmentation != 0
    np.testing.assert_array_equal(filled[kept], segmentation[kept])


def test_counts_of_parts_score_as_the_whole_but_for_filling() -> None:
    rng = np.random.default_rng(3)
    truth, segmentation = rng.integers(0, 5, (2, 8, 8, 8))
    parts = [count_box(segmentation[z : z + 2], truth[z : z + 2]) for z in (4, 0, 6, 2)]
    whole, total = score(count_box(segmentation, truth)), score(BoxCounts.total(parts))
    for key in ("coverage", "gt_foreground", "both_foreground"):
        assert total[key] == whole[key]


def test_nothing_segmented_has_coverage_0_and_one_segment() -> None:
    truth = np.repeat([1, 2], 32).reshape(4, 4, 4)
    scores = score(count_box(np.zeros_like(truth), truth))
    assert scores["coverage"] == 0
    assert scores["filled"] == scores["gt_foreground"]
    assert scores["filled"]["voi_merge"] == pytest.approx(1)
    assert scores["filled"]["recall"] == 1
    assert set(scores["both_foreground"].values()) == {None}


def test_nothing_labelled_has_a_coverage_only() -> None:
    segmentation = np.repeat([0, 2], 32).reshape(4, 4, 4)
    scores = score(count_box(segmentation, np.zeros_like(segmentation)))
    assert scores["coverage"] == 0.5
    for convention in ("gt_foreground", "filled", "both_foreground"):
        assert set(scores[convention].values()) == {None}


@given(truth=VOLUMES, segmentation=VOLUMES, labels=st.integers(0, 4), segments=st.integers(0, 4))
def test_scores_are_always_strict_json(
    truth: np.ndarray, segmentation: np.ndarray, labels: int, segments: int
) -> None:
    """Keeping only few ids makes the corners likely: no labels, one segment, single voxels."""
    counts = count_box(np.where(segmentation > segments, segmentation, 0), np.where(truth > labels, truth, 0))
    json.dumps(score(counts), allow_nan=False)
