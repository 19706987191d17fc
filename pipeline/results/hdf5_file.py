"""HDF5 files of a run: nothing of them is lost without a word, and no locks are asked for."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from pipeline.results.unreadable import reading


def write_hdf5(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Write a new file with what `fill` puts into it; raises OSError where the file system refuses.

    It is made in memory and written plainly. h5py writes a dataset's chunks when the dataset is closed, and
    ignores an error then: on a full disk a file would be short of data and look finished.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    path.write_bytes(buffer.getbuffer())


@contextmanager
def reading_hdf5(path: Path | str) -> Iterator[h5py.File]:
    """A file that is whole, open for reading.

    It is not locked: what has its name in a run folder is never written to again, and where the file system
    has no locks HDF5 would refuse it. Raises Unreadable; what h5py says of the content comes as it is.
    """
    with reading(path), h5py.File(path, "r", locking=False) as file:
        yield file
