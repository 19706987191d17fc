"""Read what a segmented tile holds."""

from __future__ import annotations

from math import prod
from typing import Any

import deflate
import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Tile, triple
from pipeline.results.artifacts import Artifact
from pipeline.results.hdf5_file import reading_hdf5

DATASET = "segmentation"

NOT_FINITE_AT = "not_finite_at"
"""Attribute of a tile's file: the centre of the FOV in which the network gave NaN or infinity."""


def read_labels(tile: Tile, artifact: Artifact, box: Box) -> np.ndarray:
    """The tile's own ids, uint32 (z, y, x), in the part of `box` that the tile covers; 0 is unsegmented.

    Raises InputError when the file cannot be read, or is not the segmentation of this tile's box.
    """
    part = tile.box & box
    try:
        with reading_hdf5(artifact.path) as file:
            labels = file[DATASET]
            if labels.shape != tile.box.shape or labels.dtype != np.uint32:
                raise InputError(
                    f"{artifact.path}:{DATASET} is {labels.dtype} of shape {labels.shape}; "
                    f"expected uint32 of shape {tile.box.shape}, of tile {tile.box}"
                )
            return _read(labels, part.translate(triple([-n for n in tile.box.start])))
    except (OSError, KeyError, ValueError, deflate.DeflateError) as error:
        raise InputError(
            f"cannot read tile {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error


def _read(labels: h5py.Dataset, box: Box) -> np.ndarray:
    """As `labels[box.slices()]`. Chunks that are packed as those of tiles are unpacked by libdeflate, which
    takes a fourth of HDF5's time: that was half of all that evidence took."""
    otherwise = labels.compression != "gzip" or labels.shuffle or labels.fletcher32 or labels.scaleoffset
    if otherwise or labels.id.get_num_chunks() < prod(
        -(-n // c) for n, c in zip(labels.shape, labels.chunks)
    ):
        return labels[box.slices()]
    found, size = np.empty(box.shape, labels.dtype), prod(labels.chunks) * labels.dtype.itemsize
    for part in box.blocks(labels.chunks):
        start = triple([a // c * c for a, c in zip(part.start, labels.chunks)])
        skipped_filters, packed = labels.id.read_direct_chunk(start)
        content = packed if skipped_filters else deflate.zlib_decompress(packed, size)
        chunk = np.frombuffer(content, labels.dtype).reshape(labels.chunks)
        found[part.slices(box.start)] = chunk[part.slices(start)]
    return found


def read_missing_voxels(artifact: Artifact) -> int:
    """How many voxels of a tile's core the image lacks. Raises InputError when the file cannot be read."""
    return int(_attributes(artifact).get("missing_voxels", 0))


def read_not_finite_at(artifact: Artifact) -> str | None:
    """Where a network that was tried on the tile gave NaN or infinity, if it did. Raises as above."""
    return _attributes(artifact).get(NOT_FINITE_AT)


def _attributes(artifact: Artifact) -> dict[str, Any]:
    try:
        with reading_hdf5(artifact.path) as file:
            return dict(file.attrs)
    except OSError as error:
        raise InputError(f"cannot read tile {artifact.path}: {error}") from error
