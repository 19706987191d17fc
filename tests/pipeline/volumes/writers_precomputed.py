"""Precomputed volumes written from the format's description, without CloudVolume, for tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.geometry import Box, Triple, triple


def write_precomputed(
    folder: Path,
    array: np.ndarray,
    origin: Triple = (0, 0, 0),
    voxel_size_nm: Sequence[float] = (1, 1, 1),
    chunk: Triple = (4, 4, 4),
    compressed: bool = False,
) -> str:
    """Write `array` (z, y, x, or channel, z, y, x) as one level of raw chunks."""
    channels = array[np.newaxis] if array.ndim == 3 else array
    scale = add_level(folder / "precomputed", channels, origin, voxel_size_nm, chunk, compressed)
    write_info(folder / "precomputed", channels, [scale])
    return f"precomputed://{folder / 'precomputed'}"


def write_info(folder: Path, channels: np.ndarray, scales: list[dict]) -> None:
    info = {
        "@type": "neuroglancer_multiscale_volume",
        "type": "image",
        "data_type": channels.dtype.name,
        "num_channels": len(channels),
        "scales": scales,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "info").write_text(json.dumps(info))


def add_level(
    folder: Path,
    channels: np.ndarray,
    origin: Triple,
    voxel_size_nm: Sequence[float],
    chunk: Triple,
    compressed: bool = False,
) -> dict:
    """Write the chunks of a level of `channels` (channel, z, y, x); what the info file says of it."""
    key = "_".join(f"{size:g}" for size in voxel_size_nm[::-1])
    (folder / key).mkdir(parents=True)
    whole = Box.of_shape(triple(channels.shape[1:]))
    for block in whole.blocks(chunk):
        at = block.translate(origin)
        name = "_".join(f"{a}-{b}" for a, b in zip(at.start[::-1], at.stop[::-1]))
        # x runs fastest, then y, z, channel: the order of a C array channel, z, y, x
        content = np.ascontiguousarray(channels[(slice(None), *block.slices())]).tobytes()
        if compressed:
            (folder / key / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / key / name).write_bytes(content)
    return {
        "key": key,
        "encoding": "raw",
        "size": list(channels.shape[:0:-1]),
        "voxel_offset": list(origin[::-1]),
        "resolution": list(voxel_size_nm[::-1]),
        "chunk_sizes": [list(chunk[::-1])],
    }
