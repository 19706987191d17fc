"""Places of tiles that can hardly be meant are told before anything is compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pipeline.checkup.sections import doubts
from pipeline.sections.stack import read_stack
from pipeline.settings.sections import FromSections

SIDE, PITCH = 64, 50


def told(folder: Path, place: Callable[[int, int], tuple[float, float, float]]) -> list[str]:
    """Of three sections of two images beside each other, of which `place` says section, y and x."""
    rows = ["file,section,y,x"]
    for section in range(3):
        for column in range(2):
            name = f"{section}_{column}.tif"
            tifffile.imwrite(folder / name, np.eye(SIDE, dtype=np.uint8))
            rows.append(f"{name},{','.join(map(str, place(section, column)))}")
    (folder / "tiles.csv").write_text("\n".join(rows))
    tiles = {"table": str(folder / "tiles.csv"), "voxel_size_nm": (40, 4, 4)}
    return doubts(*read_stack(FromSections.model_validate({"tiles": tiles}), folder))


@pytest.mark.parametrize("pitch", [25, PITCH, SIDE - 1, SIDE, SIDE + 1])
def test_images_that_overlap_or_lie_edge_to_edge_are_no_doubt(tmp_path: Path, pitch: int) -> None:
    assert told(tmp_path, lambda section, column: (section, 0, pitch * column)) == []


def test_two_sections_of_one_number_lie_on_each_other(tmp_path: Path) -> None:
    [doubt] = told(tmp_path, lambda section, column: (max(section, 1), 2 * section, PITCH * column))
    assert doubt.startswith("4 images lie on another of their section by three quarters of a side and more")
    assert "0_0.tif, 0_1.tif, 1_0.tif, 1_1.tif; are x and y in pixel, as tiles.units says" in doubt


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(0.004, "6 images lie on another"), (4, "in 3 sections no image touches another")],
)
def test_places_in_other_units_are_told(tmp_path: Path, factor: float, expected: str) -> None:
    """um, and nm, for pixels."""
    [doubt] = told(tmp_path, lambda section, column: (section, 0, factor * PITCH * column))
    assert expected in doubt


@pytest.mark.parametrize(("pitch", "is_told"), [(5, False), (5000, True), (60, True), (-SIDE, True)])
def test_sections_that_lie_where_a_stage_was_are_told(tmp_path: Path, pitch: int, is_told: bool) -> None:
    """Those of a ribbon touch each other, or a little more than that."""
    found = told(tmp_path, lambda section, column: (section, 10**6 + pitch * section, PITCH * column))
    assert len(found) == is_told
    if is_told:
        assert found[0].startswith(
            "sections that lie beside the one before, not on it: 1, 2; are x and y where"
        )


def test_sections_that_drift_far_but_lie_on_each_other_are_no_doubt(tmp_path: Path) -> None:
    """The volume is three times as large as a section."""
    assert (
        told(tmp_path, lambda section, column: (section, 30 * section, PITCH * column + 40 * section)) == []
    )


def test_an_image_far_from_all_others_of_its_section_is_told(tmp_path: Path) -> None:
    """Six in a row, the last with a digit too many."""

    def place(section: int, column: int) -> tuple[float, float, float]:
        number = 2 * section + column
        return 0, 0, PITCH * number * (10 if number == 5 else 1)

    [doubt] = told(tmp_path, place)
    assert doubt.startswith(
        "images that lie more than 2 sides away from all others of their section: 2_1.tif"
    )
