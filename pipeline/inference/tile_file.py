"""The file of a segmented tile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from pipeline.geometry import Box
from pipeline.inference.canvas import Canvas
from pipeline.results.hdf5_file import write_hdf5

CHUNK = 64

SEGMENT_ROW = np.dtype(
    [("id", "<u4"), ("voxels", "<u8"), ("z", "<i8"), ("y", "<i8"), ("x", "<i8"), ("calls", "<u4")]
)


def write_tile(path: Path, canvas: Canvas, block: Box, box: Box, attributes: Mapping[str, str | int]) -> None:
    """Write what lies in `box` of a canvas over `block`, both boxes of the volume, as `segment_tile` says."""
    labels = canvas.segmentation[box.slices(block.start)].clip(min=0).astype(np.uint32)
    voxels = np.bincount(labels.ravel(), minlength=len(canvas.segments) + 1)
    rows = [
        (s.id, voxels[s.id], *(p + o for p, o in zip(s.seed, block.start)), s.calls)
        for s in canvas.segments
        if voxels[s.id]
    ]
    chunks = tuple(min(CHUNK, n) for n in labels.shape)

    def fill(file: h5py.File) -> None:
        file.create_dataset(
            "segmentation",
            data=labels,
            chunks=chunks,
            compression="gzip",
            compression_opts=1,
            track_times=False,
        )
        file.create_dataset("segments", data=np.array(rows, SEGMENT_ROW), track_times=False)
        file.attrs.update(attributes)

    write_hdf5(path, fill)
