"""What a volume is known by: all of a small one, and never more at a time than fits in memory."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorstore

from pipeline.geometry import Triple
from pipeline.volumes import Choice, open_volume
from pipeline.volumes.content import MOST_BLOCKS, content, sampled_blocks, share_sampled

MIB = 1 << 20


def written(folder: Path, shape: Triple, chunk: Triple) -> str:
    """A Zarr array of which nothing is stored: 0 everywhere."""
    metadata = {"shape": shape, "chunks": chunk, "dtype": "|u1", "compressor": None, "fill_value": 0}
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{folder}/v.zarr/"},
        "metadata": metadata,
    }
    tensorstore.open(spec, create=True).result()
    return f"{folder}/v.zarr"


@pytest.mark.parametrize("chunk", [(16, 16, 16), (64, 64, 64), (1, 500, 999), (250, 500, 999), (1, 1, 999)])
def test_all_of_a_small_volume_is_looked_at_whatever_its_chunks(chunk: Triple, tmp_path: Path) -> None:
    volume = open_volume(written(tmp_path, (250, 500, 999), chunk), Choice(origin=(-7, 3, 11)))
    blocks = sampled_blocks(volume)
    assert share_sampled(volume) == 1
    assert len(blocks) <= MOST_BLOCKS
    assert all(
        (a - o) % c == 0 for b in blocks for a, o, c in zip(b.start, volume.box.start, chunk) if c < 250
    )
    assert max(block.size for block in blocks) <= 32 * MIB


def test_a_small_array_of_one_piece_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    np.lib.format.open_memmap(tmp_path / "v.npy", "w+", np.uint8, (200, 1000, 1000))
    volume = open_volume(str(tmp_path / "v.npy"), Choice(origin=(5, 5, 5)))
    assert share_sampled(volume) == 1
    assert sum((a & b).size for a in sampled_blocks(volume)[:9] for b in sampled_blocks(volume)[9:]) == 0


def test_of_a_large_volume_some_of_its_chunks_are_looked_at(tmp_path: Path) -> None:
    volume = open_volume(written(tmp_path, (1000, 1000, 1000), (64, 64, 64)))
    blocks = sampled_blocks(volume)
    assert len(blocks) == MOST_BLOCKS
    assert set(blocks) <= set(volume.chunks(volume.box))


@pytest.mark.parametrize("length", [100, 1000])
def test_a_chunk_as_large_as_a_file_is_not_read_at_once(length: int, tmp_path: Path) -> None:
    """A dataset that nobody wrote is one chunk."""
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("raw", (length, 1024, 1024), "u1")
    volume = open_volume(f"{tmp_path}/v.h5:raw")
    assert volume.chunk == volume.shape
    assert all(math.prod(block.shape) <= 32 * MIB for block in sampled_blocks(volume))
    assert (share_sampled(volume) == 1) == (length == 100)
    tracemalloc.start()
    try:
        content(volume)
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()
