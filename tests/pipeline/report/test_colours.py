"""Colours: a segment that is right has its object's, and no object lends its colour twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

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
