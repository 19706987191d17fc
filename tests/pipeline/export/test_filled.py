"""A segmentation without its blanks: as scikit-image floods, whatever box is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.segmentation import watershed

from pipeline.export import FilledVolume, along_image, fill_along_image, filled
from pipeline.export.along_image import watershed_of
from pipeline.geometry import Box
from pipeline.volumes import Volume, open_volume

SHAPE = (12, 20, 30)
LARGE = np.uint64(2**40)
EVERYWHERE = np.ones(SHAPE, bool)


def segmented(seed: int, share: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Scattered cubes with ids beyond 32 bits, and an image in which no two voxels are equally bright."""
    rng = np.random.default_rng(seed)
    ids = np.zeros(SHAPE, np.uint64)
    for z, y, x in np.argwhere(rng.random(SHAPE) < share):
        ids[z : z + 2, y : y + 2, x : x + 2] = LARGE + rng.integers(1, 9, dtype=np.uint64)
    return ids, rng.permutation(ids.size).reshape(SHAPE).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_blanks_are_filled_as_scikit_image_floods_all_of_the_volume(seed: int) -> None:
    ids, image = segmented(seed)
    flooded = watershed(-image, np.where(ids, ids - LARGE, 0).astype(np.int32))
    np.testing.assert_array_equal(watershed_of(ids, image, EVERYWHERE), flooded.astype(np.uint64) + LARGE)


def test_where_segments_may_not_grow_it_stays_blank_and_nothing_goes_through() -> None:
    ids, allowed = np.zeros(SHAPE, np.uint64), EVERYWHERE.copy()
    ids[:, :, 0], allowed[:, :, 10] = 5, False
    found = watershed_of(ids, np.ones(SHAPE, np.uint8), allowed)
    assert (found[:, :, :10] == 5).all()
    assert (found[:, :, 10:] == 0).all()


def test_segments_meet_where_it_is_dark_though_another_is_nearer() -> None:
    ids, image = np.zeros(SHAPE, np.uint64), np.full(SHAPE, 200, np.uint8)
    ids[:, :, 0], ids[:, :, -1], image[:, :, 5] = 1, 2, 10
    found = watershed_of(ids, image, EVERYWHERE)
    assert (found[:, :, :5] == 1).all()
    assert (found[:, :, 6:] == 2).all()


@pytest.mark.parametrize("value", [0, 7])
def test_a_volume_without_segments_or_without_blanks_stays_as_it_is(value: int) -> None:
    ids = np.full(SHAPE, value, np.uint64)
    np.testing.assert_array_equal(watershed_of(ids, np.ones(SHAPE, np.uint8), EVERYWHERE), ids)


def volumes(folder: Path, seed: int) -> tuple[Volume, Volume]:
    ids, image = segmented(seed)
    np.save(folder / "ids.npy", ids)
    np.save(folder / "image.npy", image)
    return open_volume(str(folder / "ids.npy")), open_volume(str(folder / "image.npy"))


def filled_volume(folder: Path, seed: int) -> FilledVolume:
    ids, image = volumes(folder, seed)
    return FilledVolume(
        ids,
        lambda block: fill_along_image(
            ids.read, image.read, lambda box: np.ones(box.shape, bool), block, ids.box
        ),
    )


def test_what_is_read_does_not_depend_on_the_boxes_in_which_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filled, "BLOCK", (8, 8, 8))
    monkeypatch.setattr(along_image, "MARGIN", 3)
    whole = filled_volume(tmp_path, 1)
    at_once = whole.read(whole.box)
    again = filled_volume(tmp_path, 1)
    for shape in ((5, 7, 9), (12, 20, 1)):
        for box in whole.box.blocks(shape):
            np.testing.assert_array_equal(again.read(box), at_once[box.slices()])
    stored, _ = segmented(1)
    np.testing.assert_array_equal(at_once[stored != 0], stored[stored != 0])
    assert whole.blank == np.count_nonzero(stored == 0)
    assert whole.filled == np.count_nonzero((stored == 0) & (at_once != 0)) > 0
    assert (again.blank, again.filled) == (2 * whole.blank, 2 * whole.filled)


def test_a_block_is_filled_by_what_lies_within_its_margin_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(along_image, "MARGIN", 3)
    ids, image = volumes(tmp_path, 2)
    block, inside = Box((4, 8, 8), (8, 12, 16)), ids.box
    around = Box((1, 5, 5), (11, 15, 19))
    _, found = fill_along_image(ids.read, image.read, lambda box: np.ones(box.shape, bool), block, inside)
    expected = watershed_of(ids.read(around), image.read(around), np.ones(around.shape, bool))
    np.testing.assert_array_equal(found, expected[block.slices(around.start)])
