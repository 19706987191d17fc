"""Tiles are placed where the microscope took them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from taken import Taken, settings

from pipeline.errors import InputError
from pipeline.sections.montage import make_montage, solve
from pipeline.sections.shifts import batches, find_shifts, neighbours, shift
from pipeline.sections.stack import load, read_stack
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
