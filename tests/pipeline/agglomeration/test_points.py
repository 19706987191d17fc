"""Decision points: every pair that comes close enough has one, in the middle of where it is closest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.agglomeration.points import closest_points
from pipeline.geometry import Box

START = (100, -20, 7)


def slabs(gap: int) -> np.ndarray:
    """Two segments of large ids, so many blank voxels apart along x."""
    labels = np.zeros((9, 11, 40), np.uint64)
    labels[:, :, :15] = 2**40 + 5
    labels[:, :, 15 + gap :] = 3
    return labels


@pytest.mark.parametrize(("gap", "found"), [(0, True), (1, True), (4, True), (5, True), (9, False)])
def test_a_pair_is_found_up_to_the_gap_and_the_point_is_in_the_middle(gap: int, found: bool) -> None:
    box = Box.of_shape((9, 11, 40), START)
    rows = closest_points(slabs(gap), START, box, max_gap=6)
    assert len(rows) == found
    if found:
        [row] = rows
        assert (row["a"], row["b"]) == (3, 2**40 + 5)
        z, y, x = (int(row[axis]) for axis in "zyx")
        assert (z, y) == (104, -15)
        assert 7 + 14 <= x <= 7 + 15 + gap
        assert row["gap"] == pytest.approx(gap + (gap > 0), abs=1.01)
        assert row["contact"] == 9 * 11


def test_a_point_lies_in_its_own_block_though_more_is_read() -> None:
    labels, whole = slabs(2), Box.of_shape((9, 11, 40), START)
    here = [closest_points(labels, START, block, 6) for block in whole.blocks((5, 64, 64))]
    assert [len(rows) for rows in here] == [1] * len(here)
    for rows, block in zip(here, whole.blocks((5, 64, 64))):
        assert block.start[0] <= rows[0]["z"] < block.stop[0]


@settings(deadline=None, max_examples=60)
@given(arrays(np.uint64, (4, 5, 6), elements=st.sampled_from([0, 0, 0, 1, 2, 7])))
def test_touching_pairs_are_those_with_neighbouring_voxels(labels: np.ndarray) -> None:
    """With a gap of 1 nothing grows into what is blank: the pairs are those that share a face."""
    box = Box.of_shape((4, 5, 6))
    touching = set()
    for axis in range(3):
        one, other = np.delete(labels, -1, axis), np.delete(labels, 0, axis)
        both = (one != other) & (one != 0) & (other != 0)
        touching |= {tuple(sorted(pair)) for pair in zip(one[both].tolist(), other[both].tolist())}
    rows = closest_points(labels, (0, 0, 0), box, max_gap=1)
    assert [(int(r["a"]), int(r["b"])) for r in rows] == sorted(touching)
    for row in rows:
        at = (int(row["z"]), int(row["y"]), int(row["x"]))
        around = labels[(Box.of_shape((1, 1, 1), at).grow((1, 1, 1)) & box).slices()]
        assert {int(row["a"]), int(row["b"])} <= set(around.ravel().tolist())


def test_a_blank_block_has_no_points() -> None:
    box = Box.of_shape((4, 4, 4))
    assert len(closest_points(np.zeros((4, 4, 4), np.uint64), (0, 0, 0), box, 8)) == 0
    assert len(closest_points(np.ones((4, 4, 4), np.uint64), (0, 0, 0), box, 8)) == 0
