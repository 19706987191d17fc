"""Affine maps and meshes: what is put in comes out, and nothing shrinks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import Box
from pipeline.sections.coarse import Affine
from pipeline.sections.mesh import Lattice, Matches, Mesh, relax
from pipeline.sections.places import parts, places
from pipeline.settings.sections import Alignment

BOX = Box((0, 0, 0), (4, 200, 300))
LATTICE = Lattice.over(BOX, 32)
RNG = np.random.default_rng(3)
POINTS = RNG.uniform((0, 0), (200, 300), (150, 2))


STIFF = Alignment(stiffness=1e9)
"""Of sections that do not bend."""


def some_affine(rng: np.random.Generator) -> Affine:
    return Affine(np.eye(2) + rng.normal(0, 0.03, (2, 2)), rng.normal(0, 5, 2))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_places_are_those_that_the_pairs_say_up_to_what_all_have_in_common(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = {z: some_affine(rng) for z in range(5)}  # from the section into the tissue

    def between(a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
        return POINTS, (true[a](POINTS) - true[b].moved) @ np.linalg.inv(true[b].matrix).T

    pairs = {(a, b): between(a, b) for a in range(5) for b in (a + 1, a + 2) if b < 5}
    found = places(range(5), pairs, BOX, Alignment())
    common = Affine.fitted(true[0](POINTS), found[0](POINTS))
    for z in range(1, 5):
        np.testing.assert_allclose(found[z](POINTS), common(true[z](POINTS)), atol=1e-6)
    np.testing.assert_allclose(sum(one.matrix for one in found.values()) / 5, np.eye(2), atol=1e-9)


def test_pairs_that_contradict_each_other_do_not_shrink_the_sections() -> None:
    rng = np.random.default_rng(1)
    pairs = {(a, b): (POINTS, some_affine(rng)(POINTS)) for a in range(8) for b in (a + 1, a + 2) if b < 8}
    found = places(range(8), pairs, BOX, Alignment())
    np.testing.assert_allclose(np.mean([one.matrix for one in found.values()], axis=0), np.eye(2), atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_nowhere_else_on_the_mean_are_the_points_of_all_pairs_nearer_to_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matches = {}
    for a, b in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)):
        points = POINTS[: rng.integers(6, len(POINTS))]
        matches[a, b] = points, some_affine(rng)(points) + rng.normal(0, 2, points.shape)
    found = places(range(5), matches, BOX, STIFF)
    changes = rng.normal(0, 1e-3, (5, 2, 3))
    changes -= changes.mean(axis=0)  # what is common to all is not theirs to say
    for sign in (-1, 1):
        other = {
            z: Affine(found[z].matrix + sign * one[:, :2], found[z].moved + sign * one[:, 2])
            for z, one in enumerate(changes)
        }
        assert apart(matches, found) < apart(matches, other)


def test_what_bends_sections_does_not_turn_shear_or_stretch_them() -> None:
    """More points are near one corner than near the others: what fits them best is not where it is."""
    wrong, if_stiff = np.mean([bent_sections_off(seed) for seed in range(10)], axis=0)
    assert wrong < 0.4
    assert if_stiff > 0.7


def bent_sections_off(seed: int) -> list[float]:
    """How far from their places they are put, in pixels; and how far if they were not let bend."""
    rng = np.random.default_rng(seed)
    true = [bent(rng) for _ in range(6)]
    matches = {}
    for pair in [(z, z + step) for z in range(6) for step in (1, 2) if z + step < 6]:
        from_corner = rng.beta(1, 2, (150, 2))
        points = np.where(rng.integers(0, 2, 2), from_corner, 1 - from_corner) * BOX.shape[1:]
        matches[pair] = points, undone(true[pair[1]], true[pair[0]](points))
    return [off_as_wholes(places(range(6), matches, BOX, how), true) for how in (Alignment(), STIFF)]


def bent(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """By waves of 3 pixels, some 300 pixels long."""
    vectors, phases = rng.normal(0, 2 * np.pi / 300 / np.sqrt(2), (2, 2)), rng.uniform(0, 2 * np.pi, 2)
    return lambda points: points + 3 * np.sin(points @ vectors + phases)


def undone(bending: Callable[[np.ndarray], np.ndarray], to: np.ndarray) -> np.ndarray:
    points = to
    for _ in range(30):
        points = points + to - bending(points)
    return points


def off_as_wholes(found: Mapping[int, Affine], true: Sequence[Callable[[np.ndarray], np.ndarray]]) -> float:
    """How far places are on the mean from those of the maps, but for what all have in common."""
    y, x = np.meshgrid(np.linspace(0, 200, 21), np.linspace(0, 300, 31), indexing="ij")
    grid = np.column_stack([y.ravel(), x.ravel()])
    wrong = np.stack([found[z](grid) - Affine.fitted(grid, one(grid))(grid) for z, one in enumerate(true)])
    return float(np.linalg.norm(wrong - wrong.mean(axis=0), axis=-1).mean())


def apart(matches: Matches, where: Mapping[int, Affine]) -> float:
    return sum(
        float(((where[a](points) - where[b](to)) ** 2).sum()) for (a, b), (points, to) in matches.items()
    )


def test_parts_are_what_no_pair_connects() -> None:
    assert parts([1, 2, 5, 7], [(1, 5), (5, 7)]) == [[1, 5, 7], [2]]


def test_a_mesh_undone_is_where_one_began() -> None:
    rows, columns = LATTICE.shape
    wave = np.sin(np.arange(rows)[:, None] / 2) + np.cos(np.arange(columns) / 3)
    mesh = Mesh(some_affine(RNG), LATTICE, 3 * np.stack([wave, -wave]))
    np.testing.assert_allclose(mesh.undone(mesh(POINTS)), POINTS, atol=1e-3)


def test_weights_of_a_lattice_are_what_a_mesh_interpolates_with() -> None:
    moves = RNG.normal(size=(2, *LATTICE.shape))
    nodes, weights = LATTICE.weights(POINTS)
    expected = (moves.reshape(2, -1)[:, nodes] * weights).sum(axis=-1).T
    mesh = Mesh(Affine(np.eye(2), np.zeros(2)), LATTICE, moves)
    np.testing.assert_allclose(mesh(POINTS) - POINTS, expected, atol=1e-9)


def test_bends_of_an_affine_map_are_none() -> None:
    y, x = np.indices(LATTICE.shape)
    assert np.abs(LATTICE.bends() @ (2 * y - 3 * x + 1).ravel()).max() < 1e-9
    assert np.abs(LATTICE.bends() @ (y * y).ravel()).max() > 1


def test_two_sections_meet_half_way() -> None:
    same = Affine(np.eye(2), np.zeros(2))
    bent = POINTS + np.stack([2 * np.sin(POINTS[:, 1] / 60), np.zeros(len(POINTS))], axis=1)
    meshes = relax([0, 1], {0: same, 1: same}, {(0, 1): (POINTS, bent)}, LATTICE, Alignment())
    np.testing.assert_allclose(meshes[0](POINTS), meshes[1](bent), atol=0.3)
    np.testing.assert_allclose(meshes[0].moves, -meshes[1].moves, atol=2e-3)
    assert np.abs(meshes[0](POINTS) - (POINTS + bent) / 2).max() < 0.5
