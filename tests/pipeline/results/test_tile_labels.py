"""Labels of a tile are what HDF5 would read, however they are stored."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.geometry import Box, Tile, Triple
from pipeline.results.artifacts import Artifact
from pipeline.results.tile_labels import read_labels

AS_TILES: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
STORED: list[dict[str, Any]] = [
    AS_TILES,
    {},
    {"compression": "lzf"},
    {**AS_TILES, "shuffle": True},
    {**AS_TILES, "fletcher32": True},
    {**AS_TILES, "scaleoffset": 8},
]
SHAPE = st.tuples(*[st.integers(1, 9)] * 3)


def stored(path: Path, labels: np.ndarray, **how: Any) -> Artifact:
    with h5py.File(path, "w") as file:
        file.create_dataset("segmentation", data=labels, **how)
    return Artifact(str(path), "")


def numbered(shape: Triple) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint32).reshape(shape) % 200


@settings(deadline=None)
@given(SHAPE, SHAPE, SHAPE, SHAPE, st.sampled_from(STORED))
def test_any_part_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    shape: Triple,
    chunk: Triple,
    start: Triple,
    part: Triple,
    how: dict[str, Any],
) -> None:
    tile = Tile(0, Box.of_shape(shape, (100, -5, 7)), Box.of_shape(shape, (100, -5, 7)))
    chunks = tuple(min(n, c) for n, c in zip(shape, chunk))
    labels = numbered(shape)
    artifact = stored(tmp_path_factory.mktemp("tile") / "tile.h5", labels, chunks=chunks, **how)
    box = Box.of_shape(part, (98 + start[0], start[1] - 7, start[2] + 5))
    np.testing.assert_array_equal(
        read_labels(tile, artifact, box), labels[(box & tile.box).slices(tile.box.start)]
    )


def test_chunks_that_were_never_written_are_blank(tmp_path: Path) -> None:
    tile = Tile(0, Box.of_shape((8, 8, 8)), Box.of_shape((8, 8, 8)))
    with h5py.File(tmp_path / "tile.h5", "w") as file:
        file.create_dataset("segmentation", (8, 8, 8), np.uint32, chunks=(4, 4, 4), **AS_TILES)[:4] = 7
    labels = read_labels(tile, Artifact(str(tmp_path / "tile.h5"), ""), tile.box)
    assert (labels[:4] == 7).all()
    assert not labels[4:].any()


@pytest.mark.parametrize("damage", ["flipped", "short"])
def test_a_damaged_chunk_is_told(tmp_path: Path, damage: str) -> None:
    tile = Tile(0, Box.of_shape((8, 8, 8)), Box.of_shape((8, 8, 8)))
    artifact = stored(tmp_path / "tile.h5", numbered((8, 8, 8)), chunks=(8, 8, 8), **AS_TILES)
    with h5py.File(artifact.path, "r+") as file:
        _, packed = file["segmentation"].id.read_direct_chunk((0, 0, 0))
        flipped, short = packed[:40] + b"?????" + packed[45:], zlib.compress(b"labels")
        bad = flipped if damage == "flipped" else short
        file["segmentation"].id.write_direct_chunk((0, 0, 0), bad)
    with pytest.raises(InputError, match=r"cannot read tile .*remove it, and the run makes it again"):
        read_labels(tile, artifact, tile.box)
