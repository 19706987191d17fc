"""The two tables of a block: decision points, and what came out at them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5

POINT = np.dtype(
    [
        ("a", "<u8"),  # ids in the segmentation, the lower first
        ("b", "<u8"),
        ("z", "<i8"),  # in the volume
        ("y", "<i8"),
        ("x", "<i8"),
        ("gap", "<f4"),  # voxels between the two there
        ("contact", "<u4"),  # voxel faces at which the two meet in the block, however far apart
    ]
)

SCORE = np.dtype(
    [
        *POINT.descr,
        ("iou", "<f4"),  # of what both sides flood
        ("a_from_a", "<f4"),  # part of segment a that is flooded from its own side, and so on
        ("b_from_a", "<f4"),
        ("a_from_b", "<f4"),
        ("b_from_b", "<f4"),
        ("deleted", "<f4"),  # the larger of both sides' deleted voxels over flooded ones
        ("calls", "<u4"),
    ]
)
"""What was not looked at, since the outcome was clear, is 0."""


def write_table(path: Path, rows: np.ndarray) -> None:
    """Write the rows of a table."""

    def fill(file: h5py.File) -> None:
        file.create_dataset("rows", data=rows, track_times=False)

    write_hdf5(path, fill)


def read_table(artifact: Artifact, dtype: np.dtype) -> np.ndarray:
    """The rows that `write_table` wrote. Raises InputError when they cannot be read, or are others."""
    try:
        with reading_hdf5(artifact.path) as file:
            rows = file["rows"][()]
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error
    if rows.dtype != dtype:
        raise InputError(f"{artifact.path} has columns {rows.dtype.names}; expected {dtype.names}")
    return np.asarray(rows)
