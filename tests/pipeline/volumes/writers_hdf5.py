"""HDF5 volumes as programs of the field write them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from pipeline.geometry import Triple


def write_hdf5(
    folder: Path,
    array: np.ndarray,
    origin: Triple = (0, 0, 0),
    voxel_size_nm: Sequence[float] = (1, 1, 1),
    chunk: Triple | None = None,
    axes: str = "zyx",
) -> str:
    """Write `array` (z, y, x), its axes stored in the order `axes`, with attributes as funlib writes them."""
    path = folder / "volume.h5"
    turn = ["zyx".index(axis) for axis in axes]
    stored = array.transpose(turn)
    with h5py.File(path, "w") as file:
        chunks = None if chunk is None else tuple(min(chunk[i], array.shape[i]) for i in turn)
        dataset = file.create_dataset("volumes/raw", data=stored, chunks=chunks)
        dataset.attrs["resolution"] = [voxel_size_nm[i] for i in turn]
        dataset.attrs["offset"] = [origin[i] * voxel_size_nm[i] for i in turn]
        dataset.attrs["axis_names"] = list(axes)
    return f"{path}:volumes/raw"


def write_neuroproof(folder: Path, supervoxels: np.ndarray, transforms: np.ndarray) -> str:
    """Write labels of NeuroProof: `supervoxels` (z, y, x) and rows of supervoxel id, body id."""
    path = folder / "labels.h5"
    with h5py.File(path, "w") as file:
        file["stack"] = supervoxels
        file["transforms"] = transforms
    return f"{path}:stack"
