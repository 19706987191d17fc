"""Tiles are placed where the microscope took them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from taken import Taken, settings

from pipeline.errors import InputError
from pipeline.sections.montage import make_montage, solve
from pipeline.sections.quality import montage_figures
from pipeline.sections.shifts import batches, find_shifts, neighbours, shift
from pipeline.sections.stack import load, read_stack
from pipeline.sections.tiles import ImageTile, TileSection
from pipeline.settings.sections import Montage


def errors(taken: Taken, places: dict[str, list[float]]) -> np.ndarray:
    """Of each tile of a section, in pixels, beside what all have in common."""
    found = np.array(list(places.values()))
    wrong = found - np.array([taken.truth.places[name] for name in places])
    return np.linalg.norm(wrong - wrong.mean(0), axis=1)


def test_tiles_are_placed_to_a_fraction_of_a_pixel(taken: Taken) -> None:
    wrong = []
    for section in taken.sections.values():
        shifts = [
            find_shifts(taken.stack, section, *batch) for batch in enumerate(batches(section, montage(taken)))
        ]
        found = load(make_montage(taken.stack, section, shifts))
        assert found["guessed"] == []
        assert not any(pair["refused"] for pair in found["pairs"])
        wrong.append(errors(taken, found["places"]))
    assert np.median(np.concatenate(wrong)) < 0.3
    assert np.percentile(np.concatenate(wrong), 99) < 1


def test_a_false_shift_is_refused_by_the_others(taken: Taken) -> None:
    section = taken.sections[0]
    pairs = [shift(a, b, montage(taken)) for a, b in neighbours(section, montage(taken))]
    pairs[4]["shift"][0] += 7
    found = solve(section, pairs, montage(taken))
    assert [pair["refused"] for pair in found["pairs"]].count("contradicted") == 1
    assert found["pairs"][4]["refused"] == "contradicted"
    assert errors(taken, found["places"]).max() < 1


def test_around_four_tiles_the_shift_that_is_least_alike_is_refused(tmp_path: Path) -> None:
    """All are contradicted by as much then, whichever is false."""
    places = {(0, 0): (5, -5), (0, 80): (-5, 85), (80, 0): (85, 5), (80, 80): (75, 75)}
    tiles = []
    for (y, x), _ in places.items():
        path = tmp_path / f"{y}_{x}.tif"
        tifffile.imwrite(path, np.eye(100, dtype=np.uint8))
        tiles.append(ImageTile(path.name, str(path), y, x, (100, 100), path.name))
    true = {tile.name: np.array(place) for tile, place in zip(tiles, places.values())}
    ends = [(tiles[a].name, tiles[b].name) for a, b in ((0, 1), (0, 2), (1, 3), (2, 3))]
    for wrong in range(4):
        pairs = [
            {"a": a, "b": b, "shift": (true[b] - true[a]).tolist(), "quality": 0.9, "grey": [[9, 1], [9, 1]]}
            for a, b in ends
        ]
        # where the table has it
        pairs[wrong] |= {"shift": [[0.0, 80.0], [80.0, 0.0]][wrong in (1, 2)], "quality": 0.35}
        found = solve(TileSection(0, tuple(tiles)), pairs, Montage())
        assert [i for i, pair in enumerate(found["pairs"]) if pair["refused"]] == [wrong]
        apart = np.array(list(found["places"].values())) - list(true.values())
        assert np.ptp(apart, axis=0).max() < 0.1


def test_a_tile_without_a_good_shift_stays_where_the_table_says_and_is_named(taken: Taken) -> None:
    section = taken.sections[0]
    pairs = [shift(a, b, montage(taken)) for a, b in neighbours(section, montage(taken))]
    lone = section.tiles[0]
    for pair in pairs:
        if lone.name in (pair["a"], pair["b"]):
            pair["quality"] = 0.1
    found = solve(section, pairs, montage(taken))
    assert found["guessed"] == [lone.name]
    assert found["places"][lone.name] == [lone.y, lone.x]
    assert errors(taken, {n: p for n, p in found["places"].items() if n != lone.name}).max() < 1


@pytest.mark.parametrize(("unlike", "is_told"), [(2, False), (3, True), (12, True)])
def test_where_a_quarter_of_the_pairs_is_refused_the_montage_has_failed(
    taken: Taken, unlike: int, is_told: bool
) -> None:
    """Those that are left may fit exactly."""
    section = taken.sections[0]
    tiles = {tile.name: np.array([tile.y, tile.x]) for tile in section.tiles}
    pairs = [
        {
            "a": a.name,
            "b": b.name,
            "shift": tiles[b.name] - tiles[a.name],
            "quality": 0.9,
            "grey": [[9, 1]] * 2,
        }
        for a, b in neighbours(section, montage(taken))
    ]
    assert len(pairs) == 12
    for pair in pairs[:unlike]:
        pair["quality"] = 0.1
    found = montage_figures({0: solve(section, pairs, montage(taken))})
    assert found["many_refused"] is is_told


def test_contrast_of_neighbours_becomes_one(taken: Taken) -> None:
    section = taken.sections[0]
    pairs = [shift(a, b, montage(taken)) for a, b in neighbours(section, montage(taken))]
    contrast = solve(section, pairs, montage(taken))["contrast"]
    for pair in pairs:
        (factor_a, added_a), (factor_b, added_b) = contrast[pair["a"]], contrast[pair["b"]]
        (mean_a, _), (mean_b, _) = pair["grey"]
        assert abs(factor_a * mean_a + added_a - factor_b * mean_b - added_b) < 2
        assert abs(mean_a - mean_b) > 2 or abs(factor_a - factor_b) < 1


def test_what_is_not_there_is_counted(taken: Taken) -> None:
    assert taken.stack.sections == (0, 1, 2, 4, 5)
    assert taken.stack.lost == (3,)
    assert {z: one.missing for z, one in taken.sections.items() if one.missing} == {1: ("z0001/r0_c1.png",)}


def test_a_table_of_images_that_are_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiles.csv").write_text("file,section,x,y\na.png,1,0,0\n")
    with pytest.raises(InputError, match=r"none of its images is there, such as .*a\.png"):
        read_stack(settings(tmp_path), tmp_path)


def montage(taken: Taken) -> Montage:
    return taken.stack.config.montage
