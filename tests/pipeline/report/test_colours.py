"""Colours: a segment that is right has its object's, and no object lends its colour twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.report import slices
from pipeline.report.colours import colours_of, matched

LABELS = arrays(np.uint64, (6, 7), elements=st.integers(0, 4))


@given(LABELS, LABELS)
def test_each_object_lends_its_colour_to_one_segment_that_it_meets(
    ids: np.ndarray, truth: np.ndarray
) -> None:
    like = matched(ids, truth)
    assert len(set(like.values())) == len(like)
    for segment, label in like.items():
        assert segment
        assert label
        assert ((ids == segment) & (truth == label)).any()


@given(LABELS)
def test_renamed_objects_get_their_own_colours_back(truth: np.ndarray) -> None:
    names = np.array([0, 70, 50, 90, 60], np.uint64)
    expected = {int(names[label]): label for label in np.unique(truth).tolist() if label}
    assert matched(names[truth], truth) == expected


def test_nothing_is_black_and_the_first_hundred_ids_differ() -> None:
    table = colours_of(np.arange(101, dtype=np.uint64))
    assert not table[0].any()
    assert len({tuple(row) for row in table.tolist()}) == 101


def test_ids_that_no_float_can_hold_differ_too() -> None:
    ids = np.uint64(720_575_940_600_000_000) + np.arange(100, dtype=np.uint64)
    assert len({tuple(row) for row in colours_of(ids).tolist()}) == 100


def test_segments_beside_the_largest_true_id_have_colours_too() -> None:
    truth = np.array([[2**64 - 9, 2**64 - 9, 2**64 - 9]], np.uint64)
    ids = np.array([[1, 1, 20]], np.uint64)
    whole, _, part = slices._coloured("segmentation", {"truth": truth, "segmentation": ids})[0].tolist()
    assert whole == colours_of(truth[0, :1])[0].tolist()
    assert any(part)
