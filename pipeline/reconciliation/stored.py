"""The files of a block, as a precomputed volume stores it: one a chunk, or shards of many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import deflate
import numpy as np

from pipeline.geometry import Box, triple
from pipeline.settings.sharding import chunk_number

GZIP_LEVEL = 6
"""Of libdeflate: it packs a little better than zlib's level 9, which tensorstore takes, in a twentieth of the
time, and that was half of all that a block took."""


def stored_files(scale: dict[str, Any], block: Box, labels: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files that hold one block, all of them whole, at the level `scale`.

    `scale` is as in the info file, `labels` uint64 (z, y, x). Equal labels give equal bytes. Blank chunks are
    stored too: one that is not there is damage.
    """
    if "sharding" in scale:
        yield from _shards(scale, block, labels)
        return
    for chunk, content in _chunks(scale, block, labels):
        z, y, x = (f"{a}-{b}" for a, b in zip(chunk.start, chunk.stop))
        # Not gzipped: a plain file server cannot tell a browser that a chunk has to be unpacked.
        yield f"{scale['key']}/{x}_{y}_{z}", content


def _chunks(scale: dict[str, Any], block: Box, labels: np.ndarray) -> Iterator[tuple[Box, bytes]]:
    from cloudvolume import chunks  # here, because of the processes that import this few write

    side, origin = triple(scale["chunk_sizes"][0][::-1]), triple(scale["voxel_offset"][::-1])
    for chunk in block.blocks(side, origin):
        voxels = labels[chunk.slices(block.start)].T[..., np.newaxis]
        yield (
            chunk,
            chunks.encode(voxels, scale["encoding"], scale["compressed_segmentation_block_size"]),
        )


def _shards(scale: dict[str, Any], block: Box, labels: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """The chunks as they are, put together by tensorstore: its volumes would leave out blank ones.

    It is given them packed already, as if they were raw.
    """
    import tensorstore  # here, as above

    # a worker has one core
    context = tensorstore.Context({"data_copy_concurrency": {"limit": 1}})
    files = tensorstore.KvStore.open({"driver": "memory"}, context=context).result()
    spec = {
        "driver": "neuroglancer_uint64_sharded",
        "base": {"driver": "memory"},
        "metadata": {**scale["sharding"], "data_encoding": "raw"},
    }
    shards = tensorstore.KvStore.open(spec, context=context).result()
    side, origin = scale["chunk_sizes"][0][::-1], scale["voxel_offset"][::-1]
    grid = triple([-(-n // s) for n, s in zip(scale["size"][::-1], side)])
    with tensorstore.Transaction() as whole_files:
        writer = shards.with_transaction(whole_files)
        for chunk, content in _chunks(scale, block, labels):
            place = triple([(a - o) // s for a, o, s in zip(chunk.start, origin, side)])
            writer[chunk_number(place, grid).to_bytes(8, "big")] = _packed(content)
    for name in sorted(files.list().result()):
        yield f"{scale['key']}/{name.decode()}", files[name]


def _packed(content: bytes) -> bytes:
    """By gzip, without name and time: equal content gives equal bytes."""
    return bytes(deflate.gzip_compress(content, GZIP_LEVEL))
