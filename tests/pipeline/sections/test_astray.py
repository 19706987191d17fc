"""A part of a section that is found in no other is told, where the sections beside it are found there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.sections import pairs_of_group, place_sections, relax_group
from pipeline.sections.residual_map import residual_map
from pipeline.sections.stack import Stack
from pipeline.settings.sections import AlignConfig

BOX = Box((0, 0, 0), (7, 320, 400))
POINTS = np.array([(y, x) for y in range(16, 320, 32) for x in range(16, 400, 32)], float)
BROKEN = 4


def astray(
    folder: Path, is_found: Callable[[int, int], np.ndarray], points: np.ndarray = POINTS
) -> dict[int, float]:
    """What is told of sections that lie on each other, of whose pairs those points are found."""
    tiles = {"table": "tiles.csv", "voxel_size_nm": (40, 4, 4)}
    stack = Stack(folder, AlignConfig.model_validate({"tiles": tiles}), BOX, tuple(range(BOX.shape[0])), ())
    pairs = {}
    for a, b in stack.section_pairs:
        path, found = folder / f"{a}_{b}.npz", points[is_found(a, b)]
        np.savez(path, sections=[a, b], inliers=99, points=found, to=found, asked=points)
        pairs[a, b] = Artifact(str(path), path.name)
    where = place_sections(stack, list(pairs.values()))
    groups = {
        number: relax_group(stack, group, where, [pairs[pair] for pair in pairs_of_group(stack, group)])
        for number, group in enumerate(stack.groups)
    }
    return residual_map(stack, list(pairs.values()), where, groups).astray


@pytest.mark.parametrize(("right_of", "share"), [(200, 0.5), (330, 0.2)])
def test_what_broke_off_is_told(tmp_path: Path, right_of: int, share: float) -> None:
    """Residuals do not know of it: what is not found has none."""
    found = astray(tmp_path, lambda a, b: (BROKEN not in (a, b)) | (POINTS[:, 1] < right_of))
    assert list(found) == [BROKEN]
    assert found[BROKEN] == pytest.approx(share, abs=0.07)


@pytest.mark.parametrize("broken", [{0}, {6}, {3, 4}])
def test_one_at_an_end_and_two_in_a_row_are_told_too(tmp_path: Path, broken: set[int]) -> None:
    """Of two the halves lie wrong alike: each is found in the other."""
    rng = np.random.default_rng(1)

    def is_found(a: int, b: int) -> np.ndarray:
        found = rng.random(len(POINTS)) < 0.9
        return found & (((a in broken) == (b in broken)) | (POINTS[:, 1] < 200))

    assert set(astray(tmp_path, is_found)) == broken


def test_where_nothing_is_to_be_seen_in_any_section_nothing_is_said(tmp_path: Path) -> None:
    assert astray(tmp_path, lambda a, b: POINTS[:, 1] < 200) == {}


def test_single_points_that_are_not_found_are_not_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    assert astray(tmp_path, lambda a, b: rng.random(len(POINTS)) < 0.7) == {}


def test_corners_of_sections_with_few_points_are_not_said(tmp_path: Path) -> None:
    """Each of the cells has one point."""
    few = POINTS[(POINTS[:, 0] % 64 < 32) & (POINTS[:, 1] % 64 < 32)]
    in_corner = (np.abs(few[:, 0] - 144) > 100) & (np.abs(few[:, 1] - 176) > 150)
    assert in_corner.sum() == 4
    assert astray(tmp_path, lambda a, b: (BROKEN not in (a, b)) | ~in_corner, few) == {}
