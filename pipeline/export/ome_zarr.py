"""A part of a volume as an OME-Zarr image of one level, by OME-NGFF 0.4: https://ngff.openmicroscopy.org."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorstore

from pipeline.export.part import Part
from pipeline.geometry import Triple
from pipeline.volumes.frame import AXES

CHUNK: Triple = (64, 64, 64)
LEVEL = "0"
LEAST_BYTES_OF_IDS = 4
"""Integers of so many are taken for ids of objects, and marked as such."""


def write_ome_zarr(part: Part, folder: Path) -> Iterator[int]:
    """Write the image into `folder`, Zarr format 2; a chunk that is 0 all over has no file.

    Says of each block how many voxels it had. Raises OSError where the file system refuses.
    """
    (folder / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    attributes: dict[str, Any] = {"multiscales": [_multiscale(part)]}
    if part.volume.dtype.kind in "iu" and part.volume.dtype.itemsize >= LEAST_BYTES_OF_IDS:
        attributes["image-label"] = {"version": "0.4"}  # by which viewers tell ids from grey values
    (folder / ".zattrs").write_text(json.dumps(attributes, indent=1))
    try:
        array = tensorstore.open(_spec(part, folder / LEVEL), create=True, open=False).result()
        for block, voxels in part.blocks():
            array[block.slices()].write(voxels).result()
            yield block.size
    except ValueError as error:  # how TensorStore says all that goes wrong
        number = re.search(r"os_error_code=.(\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _spec(part: Part, folder: Path) -> dict[str, Any]:
    shape = part.box.shape
    return {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "metadata": {
            "zarr_format": 2,
            "shape": list(shape),
            "chunks": [min(c, n) for c, n in zip(CHUNK, shape)],
            "dtype": part.dtype.str,
            "compressor": {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 1},
            "fill_value": 0,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        },
    }


def _multiscale(part: Part) -> dict[str, Any]:
    """Without a unit where the voxel size is unknown: then all counts voxels."""
    size, start = part.voxel_size_nm or (1.0, 1.0, 1.0), part.box.start
    unit = {"unit": "nanometer"} if part.voxel_size_nm else {}
    return {
        "version": "0.4",
        "name": Path(part.volume.uri).name,
        "axes": [{"name": axis, "type": "space", **unit} for axis in AXES],
        "datasets": [
            {
                "path": LEVEL,
                "coordinateTransformations": [
                    {"type": "scale", "scale": list(size)},
                    {"type": "translation", "translation": [at * n for at, n in zip(start, size)]},
                ],
            }
        ],
    }
