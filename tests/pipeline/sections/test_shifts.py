"""Neighbouring tiles are compared in pieces where their overlap is long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from pipeline.sections.shifts import MOST_PIECES, PIECE, shift
from pipeline.sections.tiles import ImageTile
from pipeline.settings.sections import Montage

WIDTH, OVERLAP = 200, 80


@pytest.mark.parametrize("height", [300, PIECE, PIECE + 1, (MOST_PIECES + 2) * PIECE])
@pytest.mark.parametrize("blank", [0.0, 0.4])
def test_a_shift_is_found_along_overlaps_of_any_length_where_some_of_it_shows_nothing(
    tmp_path: Path, height: int, blank: float
) -> None:
    rng = np.random.default_rng(1)
    tissue = gaussian_filter(rng.normal(size=(height + 20, 2 * WIDTH)), 2)
    grey = np.clip(128 + 40 * tissue / tissue.std(), 1, 255).astype(np.uint8)
    grey[: round(blank * height)] = 128
    first, second = grey[10 : 10 + height, :WIDTH], grey[13 : 13 + height, WIDTH - OVERLAP - 2 :][:, :WIDTH]
    a, b = (
        _tile(tmp_path / name, image, x) for name, image, x in (("a.tif", first, 0), ("b.tif", second, 120))
    )
    found = shift(a, b, Montage())
    assert found["shift"] == pytest.approx([3, WIDTH - OVERLAP - 2], abs=0.05)
    assert found["quality"] > 0.95


@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_a_piece_that_shows_something_is_not_mixed_with_those_that_show_nothing(
    tmp_path: Path, noise: float
) -> None:
    rng = np.random.default_rng(1)
    tissue = gaussian_filter(rng.normal(size=(3 * PIECE, 2 * WIDTH)), 2)
    grey = 128 + 40 * tissue / tissue.std()
    grey[PIECE - 40 :] = 128
    places = (("a.tif", 0, 0), ("b.tif", 3, WIDTH - OVERLAP - 2))
    a, b = (
        _tile(
            tmp_path / name,
            np.clip(
                grey[y : y + 3 * PIECE - 20, x : x + WIDTH] + rng.normal(0, noise, (3 * PIECE - 20, WIDTH)),
                1,
                255,
            ).astype(np.uint8),
            120.0 if x else 0.0,
        )
        for name, y, x in places
    )
    found = shift(a, b, Montage())
    assert found["shift"] == pytest.approx([3, WIDTH - OVERLAP - 2], abs=0.1)
    assert found["quality"] > 0.9


def test_tiles_that_are_unlike_wherever_they_are_put_are_compared_too(tmp_path: Path) -> None:
    """Their best correlation is below 0, least so in the middle, where noise hides most of it."""
    side, reach = 112, Montage().max_shift
    ramp = np.broadcast_to(np.arange(side), (side, side))
    noisy = np.zeros((side, side), bool)
    noisy[reach:-reach, reach:-reach] = True
    noisy[2 * reach : -2 * reach, 2 * reach : -2 * reach] = False
    noise = np.random.default_rng(1).normal(0, 40, (side, side)) * noisy
    a, b = (50 + ramp).astype(np.uint8), np.clip(200 - ramp + noise, 0, 255).astype(np.uint8)
    found = shift(_tile(tmp_path / "a.tif", a, 0.0), _tile(tmp_path / "b.tif", b, 0.0), Montage())
    assert found["shift"] == pytest.approx([0, 0], abs=1)
    assert found["quality"] < -0.5


def _tile(path: Path, image: np.ndarray, x: float) -> ImageTile:
    tifffile.imwrite(path, image)
    height, width = image.shape
    return ImageTile(path.name, str(path), 0.0, x, (height, width), path.name)
