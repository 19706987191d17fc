"""Skeletons of a volume's segments as CloudVolume reads them: in the segment, whole, and of its length."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from cloudvolume import CloudVolume
from shaped_volume import SIZE_NM, files_of, shape, shaped_run, written

from pipeline.checkup.shapes import shapes as check
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.reconciliation import SKELETONS, trace_cells
from pipeline.reconciliation.shapes.listing import read_told
from pipeline.run_folder import Run

pytest.importorskip("kimimaro", reason="kimimaro, of the extra `skeletons`, is not installed")

BOX = Box((3, 5, 7), (19, 69, 327))
BLOCK = (16, 32, 80)


def rods() -> np.ndarray:
    """Over BOX two rods along x through 5 cells each, ids 1 and 2, and two that are too small."""
    labels = np.zeros(BOX.shape, np.uint32)
    labels[5:9, 10:26, 10:310] = 1
    labels[6:10, 40:56] = 2
    labels[0, 0:4, 0:20] = labels[15, 60:64, 0:20] = 3
    return labels


@pytest.fixture(scope="module")
def of_rods(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = shaped_run(tmp_path_factory.mktemp("rods"), BOX, BLOCK, skeletons=True)
    written(run, rods())
    shape(run, random.Random(1))
    return run


@pytest.mark.parametrize(("segment", "length"), [(1, 300), (2, 320)])
def test_a_segment_over_many_cells_has_one_line_in_its_middle(
    of_rods: Run, segment: int, length: int
) -> None:
    assert len(trace_cells(of_rods)) > 5
    volume = CloudVolume(f"file://{of_rods.segmentation_folder}", progress=False)
    assert volume.info["skeletons"] == "skeletons"
    found = volume.skeleton.get(segment)
    voxels = np.floor(found.vertices[:, ::-1] / SIZE_NM).astype(int) - BOX.start
    assert (rods()[tuple(voxels.T)] == segment).all()
    assert len(found.components()) == 1
    assert len(found.edges) == len(found.vertices) - 1
    assert np.ptp(found.vertices[:, 0]) == pytest.approx(length * SIZE_NM[2], rel=0.15)
    assert found.cable_length() < 1.5 * length * SIZE_NM[2]  # a step along z is as long as ten along x
    assert len(found.terminals()) == 2
    assert found.radii.max() == pytest.approx(8 * SIZE_NM[1], rel=0.5)


def test_what_is_too_small_is_counted(of_rods: Run) -> None:
    told = read_told(of_rods, SKELETONS)
    assert told is not None
    assert (told.segments, told.small, told.small_voxels, told.empty) == (2, 1, 160, 0)
    assert told.text(SKELETONS) == (
        "skeletons: of 2 segments; 1 of fewer than 1,000 voxels, 160 voxels together, have none"
    )


def test_the_order_of_tasks_does_not_matter(of_rods: Run, tmp_path: Path) -> None:
    run = shaped_run(tmp_path, BOX, BLOCK, skeletons=True)
    written(run, rods())
    shape(run, random.Random(2))
    assert files_of(run, SKELETONS) == files_of(of_rods, SKELETONS)


def test_without_the_library_a_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kimimaro", None)
    run = shaped_run(tmp_path, BOX, BLOCK, skeletons=True)
    with pytest.raises(InputError, match=r"pip install 'kimimaro>=5.8', or set reconciliation.skeletons to"):
        check(run)


def test_an_object_in_four_cells_around_an_edge_is_whole(tmp_path: Path) -> None:
    """Its lines in these meet in a ring, to which nothing leads."""
    box = Box((0, 0, 0), (40, 80, 60))
    run = shaped_run(tmp_path, box, (20, 40, 60), skeletons=True)
    labels = np.zeros(box.shape, np.uint32)
    z, y = np.ogrid[:40, :80]
    away = np.hypot((z - 20) * SIZE_NM[0], (y - 40) * SIZE_NM[1])
    labels[(away > 100) & (away < 260)] = 1  # a tube
    labels[:, :, :20] = labels[:, :, 40:] = 0
    written(run, labels)
    shape(run)
    found = CloudVolume(f"file://{run.segmentation_folder}", progress=False).skeleton.get(1)
    assert len(found.edges) == len(found.vertices) - len(found.components())
    assert found.cable_length() > np.pi * 180


def test_an_object_along_an_edge_of_cells_is_as_long_as_it_is_and_a_branch_stays(tmp_path: Path) -> None:
    """In each of four cells around it there are lines to all faces: three times its length, with 36 ends."""
    box = Box((0, 0, 0), (40, 160, 320))
    run = shaped_run(tmp_path, box, (20, 40, 80), skeletons=True)
    labels = np.zeros(box.shape, np.uint32)
    z, y, x = np.ogrid[:40, :160, :320]
    labels[(np.hypot((z - 20) * SIZE_NM[0], (y - 80) * SIZE_NM[1]) < 100) & (x > 10) & (x < 310)] = 1
    labels[18:23, 88:156, 150:170] = 1  # which branches off
    written(run, labels)
    shape(run)
    found = CloudVolume(f"file://{run.segmentation_folder}", progress=False).skeleton.get(1)
    assert len(found.terminals()) == 3
    assert found.cable_length() == pytest.approx(300 * SIZE_NM[2] + 75 * SIZE_NM[1], rel=0.15)
