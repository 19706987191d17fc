"""Tiles that are not as usual: with values that are none, and without overlap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import map_coordinates

from pipeline.errors import InputError
from pipeline.sections.picture import SectionPicture
from pipeline.sections.stack import read_stack
from pipeline.sections.tiles import ImageTile, TileSection
from pipeline.settings.sections import FromSections

SIDE = 40
WHOLE = np.random.default_rng(3).normal(120, 20, (SIDE, 2 * SIDE)).astype(np.float32)


def tile(folder: Path, name: str, values: np.ndarray, x: float = 0) -> ImageTile:
    tifffile.imwrite(folder / name, values)
    return ImageTile(name, str(folder / name), 0, x, (SIDE, SIDE), str(folder))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_tile_with_values_that_are_none_is_refused_by_name(tmp_path: Path, wrong: float) -> None:
    values = WHOLE[:, :SIDE].copy()
    values[3, 5:7] = wrong
    with pytest.raises(InputError, match=r"a\.tif has 2 pixels of NaN or infinity"):
        tile(tmp_path, "a.tif", values).read()


def picture(folder: Path, places: list[tuple[float, float]], **parts: np.ndarray) -> SectionPicture:
    tiles = tuple(tile(folder, f"{name}.tif", values) for name, values in parts.items())
    names = [one.name for one in tiles]
    contrast = {name: [1.0, 0.0] for name in names}
    return SectionPicture(TileSection(1, tiles), {"places": dict(zip(names, places)), "contrast": contrast})


def test_tiles_that_lie_edge_to_edge_have_no_seam(tmp_path: Path) -> None:
    four = np.concatenate([WHOLE, WHOLE[::-1]])
    quarters = [four[y : y + SIDE, x : x + SIDE] for y in (0, SIDE) for x in (0, SIDE)]
    places = [(float(y), float(x)) for y in (0, SIDE) for x in (0, SIDE)]
    sampled = np.indices((60, 60)) + np.array([10.4, 10.7])[:, None, None]
    values, there = picture(tmp_path, places, **dict(zip("abcd", quarters))).sample(sampled, order=1)
    assert there.all()
    np.testing.assert_allclose(values, map_coordinates(four, sampled, order=1), rtol=1e-5)


@pytest.mark.parametrize("place", [(0.0, SIDE + 1.5), (0.0, SIDE - 5.0), (SIDE - 5.0, SIDE - 5.0)])
def test_what_is_not_between_tiles_stays_empty(tmp_path: Path, place: tuple[float, float]) -> None:
    """Beside a gap of more than a pixel, the common edge of two that overlap, and the corner of two."""
    parts = {"a": WHOLE[:, :SIDE], "b": WHOLE[:, SIDE:]}
    points = np.indices((800, 1000)) / 10.0 - 5
    values, there = picture(tmp_path, [(0.0, 0.0), place], **parts).sample(points, order=1)
    inside = [
        ((points >= np.array(at)[:, None, None]) & (points <= np.array(at)[:, None, None] + SIDE - 1)).all(0)
        for at in ((0.0, 0.0), place)
    ]
    assert not there[~(inside[0] | inside[1])].any()
    assert not values[~there].any()


@pytest.mark.parametrize(("grid", "points"), [(300, 0), (60, 2)])
def test_a_grid_too_coarse_for_any_pair_is_refused(tmp_path: Path, grid: int, points: int) -> None:
    for z in range(2):
        tifffile.imwrite(tmp_path / f"{z}.tif", WHOLE)
    (tmp_path / "t.csv").write_text("file,section,x,y\n0.tif,0,0,0\n1.tif,1,0,0\n")
    tiles = {"table": str(tmp_path / "t.csv"), "voxel_size_nm": (40, 4, 4)}
    settings = FromSections.model_validate({"tiles": tiles, "alignment": {"grid": grid}})
    said = rf"alignment.grid is {grid}: in a volume of 72 x 112 pixels .* at {points} point"
    with pytest.raises(InputError, match=said):
        read_stack(settings, tmp_path)
