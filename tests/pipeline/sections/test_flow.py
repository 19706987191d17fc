"""Points of one section are found in another however far the map of the features is off on one side."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

from pipeline.geometry import Box
from pipeline.sections.coarse import AS_IT_IS
from pipeline.sections.flow import flow
from pipeline.sections.growing import beside, continued, crowded, largest_group
from pipeline.sections.picture import SectionPicture
from pipeline.settings.sections import Alignment

SIDE = 448
MOST_MOVED = 50.0
STRAIGHT = 160


class Image:
    """An image that is sampled as a section is."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def sample(self, at: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
        known = ((at >= 0) & (at <= SIDE - 1)).all(axis=0)
        return map_coordinates(self._values, at, order=order, mode="nearest"), known


def moved(points: np.ndarray) -> np.ndarray:
    """Where points (n, 2) of the first image are in the second: the farther down, the farther to the side."""
    down = np.maximum(points[:, 0] - STRAIGHT, 0) / (SIDE - STRAIGHT)
    return points + np.stack([np.zeros(len(points)), MOST_MOVED * down**1.5], axis=1)


@pytest.fixture(scope="module")
def pair() -> tuple[SectionPicture, SectionPicture]:
    texture = gaussian_filter(np.random.default_rng(1).normal(size=(SIDE, SIDE + 100)), 3)
    second = texture[:, 50 : 50 + SIDE]
    grid = np.indices((SIDE, SIDE)).reshape(2, -1).T.astype(float)
    at = moved(grid).T.reshape(2, SIDE, SIDE) + np.array([0, 50])[:, np.newaxis, np.newaxis]
    first = map_coordinates(texture, at, order=3, mode="nearest")
    return tuple(cast("SectionPicture", Image(of)) for of in (first, second))  # type: ignore[return-value]


def test_what_is_beyond_the_search_is_found_from_what_is_beside_it(
    pair: tuple[SectionPicture, SectionPicture],
) -> None:
    found = flow(*pair, AS_IT_IS, Box((0, 0, 0), (1, SIDE, SIDE)), Alignment())
    assert len(found.points) > 0.97 * len(found.asked)
    far = np.abs(found.to - found.points).max(axis=1) > Alignment().search
    assert far.sum() > 30
    away = np.linalg.norm(found.to - moved(found.points), axis=1)
    assert np.median(away) < 0.3
    assert away.max() < 3


@given(st.integers(0, 1000))
def test_moves_go_on_as_an_affine_map_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = np.moveaxis(np.indices((9, 11)), 0, -1)
    true = at @ rng.normal(size=(2, 2)) + rng.normal(size=2)
    found = beside(rng.random((9, 11)) < 0.1)  # squares of five points, where they are not cut off
    moves = np.where(found[..., np.newaxis], true, np.nan)
    filled = continued(moves, np.ones((9, 11), bool))
    np.testing.assert_array_equal(filled[found], true[found])
    assert (np.isfinite(filled[..., 0]) == (beside(found) if found.any() else found)).all()
    if found.sum() >= 25:
        np.testing.assert_allclose(filled[beside(found)], true[beside(found)], atol=1e-6)


def test_one_row_of_moves_goes_on_as_it_is() -> None:
    moves = np.full((5, 9, 2), np.nan)
    moves[2] = [1.0, -2.0]
    filled = continued(moves, np.ones((5, 9), bool))
    np.testing.assert_allclose(filled, np.broadcast_to([1.0, -2.0], (5, 9, 2)))


def test_of_groups_the_largest_stays_and_lone_points_are_not_crowded() -> None:
    moves = np.full((6, 12, 2), np.nan)
    moves[:, :4] = 0
    moves[2:4, 8:10] = 30
    assert (np.isfinite(largest_group(moves)[..., 0]) == (np.arange(12) < 4)).all()
    assert np.isnan(largest_group(np.full((3, 3, 2), np.nan))).all()
    few = np.isfinite(moves[..., 0]) & (np.arange(12) > 6)
    assert crowded(few, 3).sum() == 4
    assert not crowded(few, 4).any()
