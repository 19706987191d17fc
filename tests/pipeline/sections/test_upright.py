"""Sections that lie otherwise than most have no say in how large the volume is and which way is up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import Box
from pipeline.sections.coarse import Affine
from pipeline.sections.mesh import Lattice, Matches, Mesh
from pipeline.sections.places import places
from pipeline.sections.upright import laid_as_most
from pipeline.settings.sections import Alignment

BOX = Box((0, 0, 0), (10, 200, 300))
MIDDLE = np.array([100.0, 150.0])
POINTS = np.random.default_rng(3).uniform((0, 0), (200, 300), (150, 2))
SECTIONS = range(BOX.shape[0])
UPSIDE_DOWN, ON_ITS_SIDE = -np.eye(2), np.array([[0.0, -1.0], [1.0, 0.0]])


def taken(otherwise: Mapping[int, np.ndarray], far: float = 0.0, noise: float = 0.3) -> dict[int, Affine]:
    """From each section into the tissue; those `otherwise` are also `far` away."""
    rng = np.random.default_rng(1)
    found = {}
    for z in SECTIONS:
        matrix = (np.eye(2) + rng.normal(0, noise / 30, (2, 2))) @ otherwise.get(z, np.eye(2))
        moved = rng.normal(0, 3, 2) + (far if z in otherwise else 0)
        found[z] = Affine(matrix, MIDDLE - matrix @ MIDDLE + moved)
    return found


def between(true: Mapping[int, Affine]) -> Matches:
    """What pairs see, to a third of a pixel."""
    rng = np.random.default_rng(2)
    pairs = [(a, b) for a in true for b in (a + 1, a + 2) if b in true]
    return {
        (a, b): (POINTS, true[b].undone(true[a](POINTS)) + rng.normal(0, 0.3, POINTS.shape)) for a, b in pairs
    }


def in_tissue_and_volume(true: Mapping[int, Affine]) -> tuple[np.ndarray, np.ndarray]:
    """Points of all sections, (sections, n, 2), where they are and where they come to lie."""
    matches = between(true)
    first = laid_as_most(SECTIONS, matches)

    def lay(z: int, points: np.ndarray) -> np.ndarray:
        return first[z](points) if z in first else points

    laid = {(a, b): (lay(a, here), lay(b, there)) for (a, b), (here, there) in matches.items()}
    found = places(SECTIONS, laid, BOX, Alignment())
    return np.stack([true[z](POINTS) for z in SECTIONS]), np.stack(
        [found[z](lay(z, POINTS)) for z in SECTIONS]
    )


@pytest.mark.parametrize(
    ("otherwise", "far"),
    [
        ({4: UPSIDE_DOWN}, 0.0),
        ({4: ON_ITS_SIDE}, 20.0),
        ({3: UPSIDE_DOWN, 4: UPSIDE_DOWN}, 0.0),
        (dict.fromkeys(range(5, 10), UPSIDE_DOWN), 30.0),
        (dict.fromkeys(range(1, 10, 2), UPSIDE_DOWN), 0.0),
        ({4: 2 * np.eye(2)}, 0.0),
        ({9: np.eye(2)}, 900.0),
    ],
)
def test_the_volume_is_as_most_sections_were_taken(otherwise: dict[int, np.ndarray], far: float) -> None:
    true = taken(otherwise, far)
    assert sorted(laid_as_most(SECTIONS, between(true))) in (
        sorted(otherwise),
        sorted(set(SECTIONS) - set(otherwise)),  # of half of them either are most
    )
    tissue, volume = in_tissue_and_volume(true)
    common = Affine.fitted(np.concatenate(tissue), np.concatenate(volume))
    assert np.abs(volume - common(tissue.reshape(-1, 2)).reshape(volume.shape)).max() < 1.5
    assert np.linalg.det(common.matrix) == pytest.approx(1, abs=0.05)
    assert abs(abs(common.matrix[0, 0]) - 1) < 0.05
    assert np.linalg.norm(common(MIDDLE[None])[0] - MIDDLE) < 12


def test_where_all_lie_alike_nothing_is_changed() -> None:
    assert laid_as_most(SECTIONS, between(taken({}))) == {}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_mesh_that_lays_a_section_first_leads_back_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattice = Lattice.over(BOX, 32)
    first, affine, straight = (
        Affine(turned + rng.normal(0, 0.03, (2, 2)), rng.normal(0, 5, 2))
        for turned in (ON_ITS_SIDE, np.eye(2), np.eye(2))
    )
    moves = np.stack([np.cos(lattice.nodes / 90).T[k].reshape(lattice.shape) for k in (0, 1)])
    mesh = Mesh(affine, lattice, moves, first)
    np.testing.assert_allclose(mesh.undone(mesh(POINTS)), POINTS, atol=0.01)
    np.testing.assert_allclose(mesh.then(straight)(POINTS), straight(mesh(POINTS)), atol=1e-6)
