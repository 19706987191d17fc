"""A volume of any format, put together again from the chunks that it is served as."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry import Box, Triple
from pipeline.viewing.chunks import VolumeChunks, shown_dtype
from pipeline.volumes import Choice, open_volume


def put_together(chunks: VolumeChunks) -> tuple[np.ndarray, list[int]]:
    """The array (z, y, x) and where it begins (x, y, z), by the format's description alone."""
    info: dict[str, Any] = chunks.info
    (scale,) = info["scales"]
    offset, size, (chunk,) = scale["voxel_offset"], scale["size"], scale["chunk_sizes"]
    array = np.zeros(size, info["data_type"])
    for x in range(0, size[0], chunk[0]):
        for y in range(0, size[1], chunk[1]):
            for z in range(0, size[2], chunk[2]):
                spans = [(a, min(a + c, s)) for a, c, s in zip((x, y, z), chunk, size)]
                named = "_".join(f"{a + o}-{b + o}" for (a, b), o in zip(spans, offset))
                content = chunks.chunk(f"{scale['key']}/{named}")
                assert content is not None
                shape = [b - a for a, b in spans]
                block = np.frombuffer(content, info["data_type"]).reshape(shape, order="F")
                array[tuple(slice(a, b) for a, b in spans)] = block
    return array.T, offset


sides = st.tuples(*[st.integers(1, 90)] * 3)
origins = st.tuples(*[st.integers(-200, 200)] * 3)


@given(shape=sides, origin=origins, seed=st.integers(0, 99))
def test_the_chunks_are_the_volume_where_it_lies(shape: Triple, origin: Triple, seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 2**40, shape, np.uint64)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.npy"
        np.save(path, array)
        volume = open_volume(str(path), Choice(origin=origin))
        found, offset = put_together(VolumeChunks(volume, "segmentation", (40, 8, 4)))
    np.testing.assert_array_equal(found, array)
    assert offset == list(origin[::-1])


@pytest.mark.parametrize(
    ("stored", "kind", "shown"),
    [
        ("uint8", "image", "uint8"), ("int16", "image", "int16"), (">u2", "image", "uint16"),
        ("float64", "image", "float32"), ("float16", "image", "float32"), ("int64", "image", "float32"),
        ("bool", "image", "uint8"), ("uint64", "segmentation", "uint64"), ("int32", "segmentation", "uint64"),
    ],
)  # fmt: skip
def test_what_a_screen_cannot_show_becomes_the_nearest_that_it_can(
    tmp_path: Path, stored: str, kind: Any, shown: str
) -> None:
    array = (np.arange(60).reshape(3, 4, 5) % 2).astype(stored)
    assert shown_dtype(array.dtype, kind) == np.dtype(shown)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["v"] = array
    volume = open_volume(f"{tmp_path / 'v.h5'}:v")
    np.testing.assert_array_equal(put_together(VolumeChunks(volume, kind, (1, 1, 1)))[0], array)


@pytest.mark.parametrize(
    "name", ["voxels/0-64", "voxels/0-0_0-4_0-3", "voxels/0-5_0-4_-1-3", "other/0-5_0-4_0-3"]
)
def test_there_is_no_other_chunk(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "v.npy", np.zeros((3, 4, 5), np.uint8))
    chunks = VolumeChunks(open_volume(str(tmp_path / "v.npy")), "image", (1, 1, 1))
    assert chunks.chunk("voxels/0-5_0-4_0-3") == bytes(60)
    assert chunks.chunk(name) is None


def test_a_chunk_is_never_much_of_a_volume(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros(Box((0, 0, 0), (65, 64, 64)).shape, np.uint8))
    chunks = VolumeChunks(open_volume(str(tmp_path / "v.npy")), "image", (1, 1, 1))
    assert chunks.chunk("voxels/0-64_0-64_0-65") is None
