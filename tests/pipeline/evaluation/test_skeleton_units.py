"""Skeletons that are not in nm are doubted; true nm are not."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.skeletons import Skeletons
from pipeline.geometry import Box

SIZE = (40.0, 8.0, 8.0)
BOX = Box.parse("0:100,0:500,0:500")


def along(first: tuple[float, ...], last: tuple[float, ...], unit: tuple[float, ...]) -> Skeletons:
    """A straight neurite between two voxels, in a unit of so many nm along each axis."""
    nodes = np.linspace(first, last, 30) * SIZE / unit
    return Skeletons.of([("1", nodes, np.stack([np.arange(29), np.arange(1, 30)], axis=1))])


@pytest.mark.parametrize(
    ("unit", "told"), [((1.0, 1.0, 1.0), None), (SIZE, "voxels"), ((1e3, 1e3, 1e3), "um")]
)
def test_the_unit_in_which_they_would_fill_the_volume_is_told(
    unit: tuple[float, ...], told: str | None
) -> None:
    assert along((10, 50, 30), (90, 400, 450), unit).other_unit(BOX, SIZE) == told


def test_short_ones_and_voxels_of_a_nm_are_not_doubted() -> None:
    assert along((50, 250, 250), (60, 260, 260), SIZE).other_unit(BOX, SIZE) is None
    assert along((0, 0, 0), (99, 499, 499), (1, 1, 1)).other_unit(BOX, (1.0, 1.0, 1.0)) is None
