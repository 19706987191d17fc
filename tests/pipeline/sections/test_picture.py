"""A section looks as its tiles do, whichever of them is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.sections.overview import reduced
from pipeline.sections.picture import SectionPicture
from pipeline.sections.tiles import ImageTile, TileSection

RNG = np.random.default_rng(2)
WHOLE = RNG.integers(30, 140, (40, 70)).astype(np.uint8)
PLACES = {"a.png": [3.0, 5.0], "b.png": [3.0, 35.0]}
MONTAGE = {"places": PLACES, "contrast": {"a.png": [1.0, 0.0], "b.png": [0.5, 20.0]}}


@pytest.fixture
def section(tmp_path: Path) -> TileSection:
    """Two tiles of 40 x 40 that share ten columns; the contrast takes off what the second is brighter."""
    tiles = []
    for name, picture in (("a.png", WHOLE[:, :40]), ("b.png", WHOLE[:, 30:] * 2.0 - 40)):
        Image.fromarray(np.round(picture).astype(np.uint8)).save(tmp_path / name)
        tiles.append(ImageTile(name, str(tmp_path / name), 0, 0, (40, 40), str(tmp_path)))
    return TileSection(0, tuple(tiles))


def test_every_pixel_is_that_of_its_tile(section: TileSection) -> None:
    values, there = SectionPicture(section, MONTAGE).window((3, 5), (40, 30))
    assert there.all()
    np.testing.assert_allclose(values, WHOLE[:, :30])


def test_where_tiles_overlap_both_count_and_outside_there_is_nothing(section: TileSection) -> None:
    values, there = SectionPicture(section, MONTAGE).window((0, 0), (50, 90))
    assert there.sum() == 40 * 70
    assert not values[~there].any()
    np.testing.assert_allclose(values[3:43, 35:45], WHOLE[:, 30:40], atol=1e-3)


def test_part_of_a_window_is_as_the_whole_of_it(section: TileSection) -> None:
    picture = SectionPicture(section, MONTAGE)
    grid = np.indices((30, 60)) + np.array([5.3, 8.7])[:, None, None]
    whole, _ = picture.sample(grid, order=3)
    part, _ = picture.sample(grid[:, 10:20, 15:40], order=3)
    np.testing.assert_allclose(part, whole[10:20, 15:40], atol=1e-2)


def test_an_overview_is_the_means(section: TileSection) -> None:
    found = reduced(section, MONTAGE, step=2)
    means = WHOLE[:, :40].reshape(20, 2, 20, 2).mean(axis=(1, 3))
    assert np.abs(found.picture[:20, :15].astype(float) - means[:, :15]).max() <= 0.5
    np.testing.assert_allclose(found.to_montage(np.zeros((1, 2))), [[3.5, 5.5]])
