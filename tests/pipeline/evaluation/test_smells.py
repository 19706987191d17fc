"""A score that smells of a mistake names the likely one; a sound comparison has no smell."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from scipy import ndimage

from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.smells import smells

SIDE = 72
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    """Cells around random centres, longer along x; 0 between them; uint64."""
    rng = np.random.default_rng(11)
    seeds = np.zeros((SIDE,) * 3, np.uint64)
    places = rng.integers(0, SIDE, (40, 3))
    seeds[tuple(places.T)] = rng.permutation(np.arange(1, 41))
    nearest = ndimage.distance_transform_edt(
        seeds == 0, sampling=(2, 1.5, 1), return_distances=False, return_indices=True
    )
    ids = seeds[tuple(nearest)]
    membrane = ndimage.grey_dilation(ids, 3) != ndimage.grey_erosion(ids, 3)
    return np.where(membrane, np.uint64(0), ids)


def told(folder: Path, segmentation: np.ndarray, truth: np.ndarray) -> list[str]:
    np.save(folder / "segmentation.npy", segmentation)
    np.save(folder / "truth.npy", truth)
    found = Comparison(str(folder / "segmentation.npy"), str(folder / "truth.npy"))
    volume, labels = found.open()
    return smells(volume, labels, found.box())


def supervoxels(ids: np.ndarray) -> np.ndarray:
    """Each cell in pieces of ids of their own."""
    z, y, x = np.indices(ids.shape) // 12
    return np.where(ids != 0, ids * np.uint64(1000) + (z * 36 + y * 6 + x).astype(np.uint64), 0)


def scattered(ids: np.ndarray) -> np.ndarray:
    """Ids as a hash gives them, of 64 bits."""
    table = np.random.default_rng(5).integers(2**62, 2**63, 1 + int(ids.max()), np.uint64)
    return np.where(ids != 0, table[ids], np.uint64(0))


def image(ids: np.ndarray) -> np.ndarray:
    return np.random.default_rng(6).integers(1, 255, ids.shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("segmentation", "truth", "expected"),
    [
        (
            lambda ids: ids.transpose(2, 1, 0),
            None,
            "what is read as z, y, x is x, y, z; name its stored axes so with --segmentation-axes",
        ),
        (lambda ids: ids.transpose(1, 2, 0), None, "what is read as z, y, x is y, x, z; name"),
        (lambda ids: ids[:, ::-1], None, "mirrored along y the segmentation fits far better.*write one of"),
        (lambda ids: ids[::-1, :, ::-1], None, "mirrored along z and x the segmentation fits far better"),
        (lambda ids: np.roll(ids, (5, -9, 12), (0, 1, 2)), None, r"moved by \(-5, 9, -12\) voxels"),
        (None, supervoxels, "the labels are supervoxels, without the table"),
        (
            lambda ids: (ids != 0).astype(np.uint8),
            None,
            "the segmentation has one id in its middle, 1: this looks like a mask, as of cells, membranes or",
        ),
        (None, lambda ids: (ids != 0).astype(np.uint8) * 255 // 2, "the truth has one id"),
        (lambda ids: scattered(ids).astype(np.uint32), None, "spread over 32 bits"),
        (lambda ids: scattered(ids).astype(np.float64).astype(np.uint64), None, "went through float64"),
        (
            lambda ids: np.where(ids, ids + 2**24 + 12345, 0).astype(np.float32).astype(np.uint32),
            None,
            "went through float32",
        ),
        (image, None, "is it an image, or a probability"),
        (
            lambda ids: np.where((ids < 30), np.uint64(77), ids),
            None,
            "is it the background, which should be 0",
        ),
        (
            None,
            lambda ids: np.where(ids == 0, np.uint64(1), ids + np.uint64(1)),
            "id 1 lies wherever two objects of the truth touch.*it should be 0; --ignore 1 leaves it out",
        ),
        (lambda ids: ids * 0, None, "the segmentation is blank"),
        (None, lambda ids: np.where(ids == 3, ids, np.uint64(0)), "of the truth is labelled"),
    ],
)
def test_the_likely_mistake_is_named(
    tmp_path: Path, cells: np.ndarray, segmentation: Change | None, truth: Change | None, expected: str
) -> None:
    ids = cells + np.uint64(100) * (cells != 0)  # another program's ids of the same cells
    found = told(
        tmp_path,
        np.ascontiguousarray(segmentation(cells) if segmentation else ids),
        np.ascontiguousarray(truth(cells) if truth else ids),
    )
    assert any(re.search(expected, line) for line in found), found


def test_a_plane_that_lies_on_its_side_is_told(tmp_path: Path, cells: np.ndarray) -> None:
    """As programs that count columns first write it: the volume has the same shape."""
    ids = cells + np.uint64(100) * (cells != 0)
    turned = np.ascontiguousarray(ids.transpose(0, 2, 1)[8:-8])
    found = told(tmp_path, turned, cells[8:-8])
    assert any("what is read as z, y, x is z, x, y; name" in line for line in found), found


def test_a_volume_compared_with_itself_is_told(tmp_path: Path, cells: np.ndarray) -> None:
    assert "compared with itself" in told(tmp_path, cells, cells)[0]


def test_chunks_that_are_not_stored_are_told(tmp_path: Path, cells: np.ndarray) -> None:
    stored: zarr.Array = zarr.create(
        store=str(tmp_path / "segmentation.zarr"), shape=cells.shape, chunks=(36,) * 3, dtype="u8"
    )
    stored[:36] = cells[:36] + 5
    np.save(tmp_path / "truth.npy", cells)
    compared = Comparison(str(tmp_path / "segmentation.zarr"), str(tmp_path / "truth.npy"))
    segmentation, truth = compared.open()
    [told, *_] = smells(segmentation, truth, compared.box())
    assert told.startswith("4 of 8 chunks of the segmentation are missing")
    assert told.endswith("they count as 0")


def test_chunks_of_a_truth_that_are_not_stored_are_told_to_count_in_no_score(
    tmp_path: Path, cells: np.ndarray
) -> None:
    with h5py.File(tmp_path / "truth.h5", "w") as file:
        file.create_dataset("ids", cells.shape, "u8", chunks=(36,) * 3)[:36] = cells[:36]
    np.save(tmp_path / "segmentation.npy", cells + 5)
    compared = Comparison(str(tmp_path / "segmentation.npy"), f"{tmp_path / 'truth.h5'}:ids")
    [told, *_] = smells(*compared.open(), compared.box())
    assert told.startswith("4 of 8 chunks of the truth are missing")
    assert told.endswith("what lies there counts in no score")


def test_sound_comparisons_have_no_smell(tmp_path: Path, cells: np.ndarray) -> None:
    """Good ones, and ones whose errors are those of segmentations: splits, mergers, blanks."""
    moved = cells + np.uint64(100) * (cells != 0)
    halves = np.where((np.indices(cells.shape)[2] > 36) & (cells % 2 == 0) & (cells != 0), cells + 200, cells)
    merged = np.where(cells % 3 == 0, cells, (cells + 1) // 2)
    blank = np.where(cells < 12, 0, cells)
    for segmentation in (cells, halves, merged, blank):
        assert told(tmp_path, segmentation.astype(np.uint64), moved) == []


def test_ids_above_2_63_that_were_saved_as_signed_numbers_are_told(tmp_path: Path, cells: np.ndarray) -> None:
    ids = np.where(cells > 9, cells + np.uint64(2**63), cells).astype(np.int64)
    [found] = told(tmp_path, ids, cells)
    assert "of the segmentation has negative ids, which are read as 0" in found
    assert not told(
        tmp_path, np.where(cells == 0, -1, cells.astype(np.int64)), cells + np.uint64(9) * (cells > 0)
    )
