"""Tile checkpoint: comes back as it was saved, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.inference.canvas import CanvasState, Segment
from pipeline.inference.endurance.tile_checkpoint import TileCheckpoint

MADE_BY = {"fingerprint": "f" * 64, "engine": "openvino", "precision": "float32"}


def some_state(shape: tuple[int, int, int] = (20, 70, 9)) -> CanvasState:
    segmentation = np.zeros(shape, np.int32)
    segmentation[2:9, 5:60] = 1
    segmentation[12:, 8:, 3:] = 2
    segmentation[0, 0, 0] = -1
    segments = [Segment(1, 7 * 55 * 9, (4, 20, 4), 17), Segment(2, 8 * 62 * 6, (15, 30, 5), 2**31)]
    return CanvasState(segmentation, segments, seeds_done=5, calls=2**40)


def assert_same(found: CanvasState | None, expected: CanvasState) -> None:
    assert found is not None
    assert found.segmentation.dtype == np.int32
    np.testing.assert_array_equal(found.segmentation, expected.segmentation)
    assert replace(found, segmentation=0) == replace(expected, segmentation=0)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a checkpoint of `some_state`."""
    checkpoint = TileCheckpoint(tmp_path_factory.mktemp("good") / "tile.checkpoint.h5", MADE_BY)
    checkpoint.save(some_state())
    return checkpoint.path.read_bytes()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> TileCheckpoint:
    """A checkpoint whose file a test writes as it likes."""
    return TileCheckpoint(tmp_path_factory.mktemp("damaged") / "tile.checkpoint.h5", MADE_BY)


def test_a_checkpoint_replaces_the_one_before_and_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    checkpoint = TileCheckpoint(tmp_path / "tiles" / "tile.checkpoint.h5", MADE_BY)
    assert checkpoint.load() is None
    nothing_found = CanvasState(np.zeros((5, 6, 7), np.int32), [], seeds_done=3, calls=3)
    for state in (nothing_found, some_state()):
        checkpoint.save(state)
        assert_same(checkpoint.load(), state)
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["tile.checkpoint.h5"]
    with h5py.File(checkpoint.path) as file:
        np.testing.assert_array_equal(file["segmentation"], some_state().segmentation)


@pytest.mark.parametrize("name", MADE_BY)
def test_a_checkpoint_made_by_something_else_counts_as_none(tmp_path: Path, name: str) -> None:
    path = tmp_path / "tile.checkpoint.h5"
    TileCheckpoint(path, MADE_BY).save(some_state())
    assert TileCheckpoint(path, {**MADE_BY, name: "other"}).load() is None


@settings(deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_makes_it_count_as_none(
    content: bytes, damaged: TileCheckpoint, position: float, bit: int
) -> None:
    flipped = bytearray(content)
    flipped[int(position * len(content))] ^= 1 << bit
    damaged.path.write_bytes(flipped)
    assert damaged.load() is None


@settings(deadline=None)
@given(length=st.floats(0, 1, exclude_max=True))
def test_a_checkpoint_cut_short_anywhere_counts_as_none(
    content: bytes, damaged: TileCheckpoint, length: float
) -> None:
    damaged.path.write_bytes(content[: int(length * len(content))])
    assert damaged.load() is None
    damaged.path.write_bytes(content)
    assert_same(damaged.load(), some_state())


def test_a_checkpoint_that_cannot_be_written_is_the_users_error_and_leaves_nothing(tmp_path: Path) -> None:
    in_the_way = tmp_path / "no folder"
    in_the_way.touch()
    checkpoint = TileCheckpoint(in_the_way / "tile.checkpoint.h5", MADE_BY)
    with pytest.raises(InputError, match=r"cannot write .*tile\.checkpoint\.h5"):
        checkpoint.save(some_state())
    assert checkpoint.load() is None
    assert list(tmp_path.iterdir()) == [in_the_way]
