"""Pieces of images are found where they are, to a fraction of a pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, shift

from pipeline.sections.matching import NOWHERE, Seen, match, match_seen

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


@settings(max_examples=30, deadline=None)
@given(dy=st.floats(-6, 6), dx=st.floats(-6, 6), seed=st.integers(0, 1000))
def test_a_piece_of_which_parts_are_missing_is_found_by_the_rest(dy: float, dx: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    moved = 3 * shift(PICTURE, (dy, dx), order=5, mode="wrap") + 100
    here, there = (half_plane(side, rng) for side in (48, 64))
    template = Seen(np.where(here, PICTURE[24:72, 24:72], 0), here)
    searched = Seen(np.where(there, moved[16:80, 16:80], 50), there)
    if (here & there[8:-8, 8:-8]).mean() < 0.4:
        return
    found = match_seen(template, searched, 0.25)
    assert abs(found.dy - dy) < 0.15
    assert abs(found.dx - dx) < 0.15
    assert found.quality > 0.9


def half_plane(side: int, rng: np.random.Generator) -> np.ndarray:
    """What is on one side of a line through a square, near its middle."""
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0, side / 4)
    y, x = np.indices((side, side)) - side / 2
    return np.asarray(y * np.cos(angle) + x * np.sin(angle) < away)


def test_a_missing_pixel_hardly_changes_what_is_found() -> None:
    template, searched = PICTURE[24:72, 24:72], PICTURE[13:77, 20:84]
    known = np.ones(template.shape, bool)
    whole = match_seen(Seen(template, known), Seen(searched, np.ones(searched.shape, bool)), 0.25)
    assert whole == match(template, searched)
    known[0, 0] = False
    less = match_seen(Seen(template, known), Seen(searched, np.ones(searched.shape, bool)), 0.25)
    np.testing.assert_allclose(less, whole, atol=1e-2)


def test_nothing_is_found_where_the_two_have_too_little_in_common() -> None:
    known = np.zeros((48, 48), bool)
    known[:20, :20] = True
    all_there = Seen(PICTURE[16:80, 16:80], np.ones((64, 64), bool))
    assert match_seen(Seen(PICTURE[24:72, 24:72], known), all_there, 0.25) == NOWHERE
    nothing = Seen(np.zeros((64, 64)), np.zeros((64, 64), bool))
    assert match_seen(Seen(PICTURE[24:72, 24:72], known), nothing, 0.25) == NOWHERE


def test_nothing_is_found_in_a_blank_image() -> None:
    assert match(PICTURE[:20, :20], np.zeros((30, 30))) == NOWHERE
