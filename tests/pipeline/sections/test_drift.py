"""What adds up along the chain of pairs is taken off the places of sections, as the table knows better."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.sections import pairs_of_group, place_sections, relax_group
from pipeline.sections.coarse import Affine
from pipeline.sections.drift import FEWEST, drifts, told, without
from pipeline.sections.group import read_mesh, read_places
from pipeline.sections.stack import Stack
from pipeline.settings.sections import AlignConfig, Alignment

BOX = Box((0, 0, 0), (48, 320, 400))
POINTS = np.array([(y, x) for y in range(20, 320, 40) for x in range(20, 400, 40)])
LENGTH = 30


def some_stack(rng: np.random.Generator, off: float) -> list[Affine]:
    """From sections into the tissue: the stage is off by so many pixels, and turns and stretches a little."""
    return [
        Affine(np.eye(2) + rng.normal(0, off / 400, (2, 2)), rng.normal(0, off, 2))
        for _ in range(BOX.shape[0])
    ]


def leaning(z: float) -> Affine:
    """A drift of 12 pixels to both sides, by which the volume is stretched by a twentieth too."""
    along = z / BOX.shape[0] - 0.5
    linear = np.array([[0.1, 0.02], [-0.03, 0]]) * along
    return Affine(np.eye(2) + linear, np.array([24 * along, 8 * np.sin(5 * along)]) - linear @ [160, 200])


def placed(true: Sequence[Affine]) -> dict[int, Affine]:
    """As pairs alone have them."""
    return {z: one.then(leaning(z)) for z, one in enumerate(true)}


def apart(true: Sequence[Affine], found: Sequence[Affine]) -> np.ndarray:
    """How far, in pixels, points are from where they should be, but for what is common to all sections."""
    wrong = np.stack([of(POINTS) - one(POINTS) for one, of in zip(true, found)])
    return np.asarray(np.linalg.norm(wrong - wrong.mean(axis=0), axis=-1))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("off", [0.5, 5.0])
def test_a_drift_is_taken_off_and_sections_stay_on_each_other(seed: int, off: float) -> None:
    true = some_stack(np.random.default_rng(seed), off)
    before = placed(true)
    found = drifts(range(len(true)), before, BOX, LENGTH)
    after = [one.then(taken) for one, taken in zip(before.values(), without(found, BOX))]
    assert np.median(apart(true, list(before.values()))) > 6
    assert np.median(apart(true, after)) < (0.5 if off < 1 else 3.5)
    wrong = [of(POINTS) - one(POINTS) for one, of in zip(true, after)]
    assert np.median(np.linalg.norm(np.diff(wrong, axis=0), axis=-1)) < 0.5


def test_what_the_stage_is_off_by_is_no_drift_or_next_to_none() -> None:
    most = []
    for seed in range(20):
        true = some_stack(np.random.default_rng(seed), 5.0)
        found = drifts(range(len(true)), dict(enumerate(true)), BOX, LENGTH)
        most.append([np.abs(one.drift).max() for one in found])
    assert np.median(most) == 0
    assert np.mean(most) < 0.2
    assert np.max(most) < 2.5


def test_a_drift_that_the_stage_all_but_hides_is_taken_off_as_far_as_it_can_be_known() -> None:
    """At most 4.7 pixels along x in either direction, beside errors of 6: who knew that it is a lean could
    place sections to 1.3 pixels."""
    lean = np.outer(np.arange(BOX.shape[0]) - (BOX.shape[0] - 1) / 2, [0.1, 0.2])
    left = []
    for seed in range(20):
        off = np.random.default_rng(seed).normal(0, 6, lean.shape)
        placed = {z: Affine(np.eye(2), moved) for z, moved in enumerate(lean + off)}
        found = drifts(range(len(lean)), placed, BOX, LENGTH)[:2]
        left.append(np.column_stack([one.drift for one in found]) - lean)
    assert np.sqrt((np.square(lean)).sum(axis=-1).mean()) > 3
    assert np.sqrt((np.square(left)).sum(axis=-1).mean()) < 1.8


@pytest.mark.parametrize("z", [0, 20, 46])
def test_a_section_that_the_stage_has_quite_elsewhere_moves_no_other_and_is_told(z: int) -> None:
    true = some_stack(np.random.default_rng(7), 0.5)
    wrong = list(true)
    wrong[z] = Affine(true[z].matrix, true[z].moved + np.array([15.0, -15.0]))
    plain, one_off = (drifts(range(len(true)), placed(one), BOX, LENGTH) for one in (true, wrong))
    for one, other in zip(plain[:2], one_off[:2]):
        change = one.drift - other.drift
        assert np.abs(change - change.mean()).max() < 0.5
    assert told(range(len(true)), plain)["far"] == []
    assert told(range(len(true)), one_off)["far"] == [z]


def test_of_places_that_are_those_of_the_table_nothing_is_taken_off_beside_a_section_that_is_elsewhere() -> (
    None
):
    places = {z: Affine(np.eye(2), np.zeros(2)) for z in range(20)}
    places[5] = Affine(np.eye(2), np.array([15.0, 0.0]))
    found = drifts(range(20), places, BOX, LENGTH)
    assert not any(one.drift.any() for one in found)
    assert told(range(20), found)["far"] == [5]


@settings(max_examples=40, deadline=None)
@given(moved=st.lists(st.integers(-30, 30) | st.just(0), min_size=FEWEST, max_size=20))
def test_whatever_the_places_are_a_drift_moves_the_whole_volume_nowhere(moved: list[int]) -> None:
    places = {z: Affine(np.eye(2), np.array([0.0, one])) for z, one in enumerate(moved)}
    for one in drifts(range(len(moved)), places, BOX, LENGTH):
        assert abs(one.drift.mean()) < 1e-6
        assert np.isfinite(one.error).all()


def some_pairs(stack: Stack, true: Sequence[Affine], folder: Path) -> dict[tuple[int, int], Artifact]:
    """Pairs of sections that say what they would if the tissue leaned as it drifts."""
    made = {}
    for a, b in stack.section_pairs:
        here, there = (true[z].then(leaning(z)) for z in (a, b))
        to = (here(POINTS) - there.moved) @ np.linalg.inv(there.matrix).T
        path = folder / f"{a}_{b}.npz"
        np.savez(path, sections=[a, b], inliers=99, points=POINTS.astype(float), to=to, asked=POINTS)
        made[a, b] = Artifact(str(path), path.name)
    return made


@pytest.mark.parametrize(("length", "least", "most"), [(0, 6.0, 12.0), (LENGTH, 0.0, 0.7)])
def test_the_maps_into_the_volume_have_it_taken_off(
    tmp_path: Path, length: int, least: float, most: float
) -> None:
    tiles = {"table": "tiles.csv", "voxel_size_nm": (40, 4, 4)}
    config = AlignConfig.model_validate({"tiles": tiles, "alignment": {"drift_length": length}})
    stack = Stack(tmp_path, config, BOX, tuple(range(BOX.shape[0])), ())
    true = some_stack(np.random.default_rng(1), 0.5)
    pairs = some_pairs(stack, true, tmp_path)
    where = place_sections(stack, list(pairs.values()))
    groups = {
        number: relax_group(stack, group, where, [pairs[pair] for pair in pairs_of_group(stack, group)])
        for number, group in enumerate(stack.groups)
    }
    wrong = np.stack(
        [read_mesh(stack, z, read_places(where)[z], groups)(POINTS) - true[z](POINTS) for z in stack.sections]
    )
    found = np.median(np.linalg.norm(wrong - wrong.mean(axis=0), axis=-1))
    assert least <= found <= most


def test_of_few_sections_nothing_is_said(tmp_path: Path) -> None:
    tiles = {"table": "tiles.csv", "voxel_size_nm": (40, 4, 4)}
    stack = Stack(tmp_path, AlignConfig.model_validate({"tiles": tiles}), BOX, tuple(range(FEWEST - 1)), ())
    pairs = some_pairs(stack, some_stack(np.random.default_rng(1), 0.5), tmp_path)
    where = place_sections(stack, list(pairs.values()))
    assert '"drift": []' in Path(where.path).read_text()


def test_any_length_that_is_taken_can_be_computed_with() -> None:
    with pytest.raises(ValueError, match="less than or equal to 1000"):
        Alignment(drift_length=1001)
    true = some_stack(np.random.default_rng(1), 5.0)
    many = {z: true[z % len(true)] for z in range(2000)}
    found = drifts(range(len(many)), many, BOX, Alignment(drift_length=1000).drift_length)
    assert max(np.abs(one.drift).max() for one in found) < 1
