"""Pieces of images are found where they are, to a fraction of a pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, shift

from pipeline.sections.matching import NOWHERE, match

PICTURE = gaussian_filter(np.random.default_rng(1).normal(size=(96, 96)), 2)


@settings(max_examples=30, deadline=None)
@given(dy=st.floats(-6, 6), dx=st.floats(-6, 6), gain=st.floats(0.2, 5), base=st.floats(-100, 100))
def test_a_moved_piece_is_found_whatever_its_contrast(dy: float, dx: float, gain: float, base: float) -> None:
    moved = gain * shift(PICTURE, (dy, dx), order=5, mode="wrap") + base
    found = match(PICTURE[24:72, 24:72], moved[16:80, 16:80])
    assert abs(found.dy - dy) < 0.1
    assert abs(found.dx - dx) < 0.1
    assert found.quality > 0.9


def test_a_peak_outside_the_search_is_none() -> None:
    moved = shift(PICTURE, (12, 0), order=3, mode="wrap")
    found = match(PICTURE[24:72, 24:72], moved[16:80, 16:80])
    assert found.quality < 0.5


def test_nothing_is_found_in_a_blank_image() -> None:
    assert match(PICTURE[:20, :20], np.zeros((30, 30))) == NOWHERE
