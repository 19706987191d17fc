"""Axes are known by their names, and a box of z, y, x comes out of an array stored in any order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.choice import Choice
from pipeline.volumes.layout import Layout

VOLUME = np.arange(4 * 5 * 6).reshape(4, 5, 6)


@given(st.permutations("zyxct"), st.data())
def test_a_box_is_the_same_in_whatever_order_the_axes_are_stored(
    axes: list[str], data: st.DataObject
) -> None:
    channel = data.draw(st.integers(0, 2))
    full = np.stack([VOLUME, VOLUME + 1000, VOLUME + 2000])[:, None]  # c t z y x
    stored = full.transpose(["ctzyx".index(axis) for axis in axes])
    start = [data.draw(st.integers(0, n - 1)) for n in VOLUME.shape]
    stop = [data.draw(st.integers(a + 1, n)) for a, n in zip(start, VOLUME.shape)]
    box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    layout = Layout.of(stored.shape, axes, Choice(channel=channel), "v")
    assert layout.volume_shape(stored.shape) == VOLUME.shape
    np.testing.assert_array_equal(
        layout.turned(stored[layout.index(box)]), VOLUME[box.slices()] + 1000 * channel
    )


@pytest.mark.parametrize("ones", list(itertools.combinations(range(5), 2)))
def test_without_names_axes_of_length_one_are_dropped(ones: tuple[int, int]) -> None:
    stored = np.expand_dims(VOLUME, ones)
    layout = Layout.of(stored.shape, None, Choice(), "v")
    box = Box((0, 0, 0), (4, 5, 6))
    np.testing.assert_array_equal(layout.turned(stored[layout.index(box)]), VOLUME)


def test_a_volume_of_one_slice_keeps_its_three_last_axes() -> None:
    assert Layout.of((1, 1, 5, 6), None, Choice(), "v").volume_shape((1, 1, 5, 6)) == (1, 5, 6)


@pytest.mark.parametrize(
    ("shape", "stated", "choice", "wrong"),
    [
        ((5, 6), None, Choice(), r"shape \(5, 6\); expected three dimensions"),
        ((3, 4, 5, 6), None, Choice(), "name its axes in data.axes"),
        ((3, 4, 5, 6), "czyx", Choice(), "has 3 channels; set data.channel to one of 0 to 2"),
        ((3, 4, 5, 6), "czyx", Choice(channel=3), "has 3 channels; data.channel is 3"),
        ((3, 4, 5, 6), "tzyx", Choice(), "3 positions along axis t; expected 1"),
        ((4, 5, 6), None, Choice(axes="czyx"), "4 axes are named"),
        ((4, 5, 6), "cyx", Choice(role="labels_"), "data.labels_axes can name the stored axes"),
    ],
)
def test_axes_that_are_left_over_or_missing_are_named(
    shape: tuple[int, ...], stated: str | None, choice: Choice, wrong: str
) -> None:
    with pytest.raises(InputError, match=wrong):
        Layout.of(shape, stated, choice, "v")
