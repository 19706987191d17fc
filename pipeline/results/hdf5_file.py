"""New HDF5 files of which nothing is lost without a word."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import h5py


def write_hdf5(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Write a new file with what `fill` puts into it; raises OSError where the file system refuses.

    It is made in memory and written plainly. h5py writes a dataset's chunks when the dataset is closed, and
    ignores an error then: on a full disk a file would be short of data and look finished.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    path.write_bytes(buffer.getbuffer())
