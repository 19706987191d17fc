"""Hdf5Volume: one dataset of an HDF5 file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.results.artifacts import file_identity
from pipeline.volumes.volume import Volume, parse_resolution


class Hdf5Volume(Volume):
    """Dataset `dataset` of the HDF5 file at `path`.

    Raises InputError when the file is missing, truncated or not HDF5, and when it has no such
    dataset; the message then lists those it has.
    """

    def __init__(self, path: Path, dataset: str) -> None:
        self.path = path
        self.dataset = dataset
        with open_hdf5(path) as file:
            found = file.get(dataset) if dataset else None
            if not isinstance(found, h5py.Dataset):
                missing = f"no dataset {dataset!r}" if dataset else "to be given as FILE:DATASET"
                raise InputError(f"{path}: {missing}; its datasets: {_list_datasets(file)}")
            uri = f"{path}:{dataset}"
            resolution = parse_resolution(found.attrs.get("resolution"), uri)
            super().__init__(uri, found.shape, found.dtype, resolution)

    @property
    def identity(self) -> str:
        return f"{file_identity(self.path)} {self.dataset}"

    def _load(self, box: Box) -> np.ndarray:
        with open_hdf5(self.path) as file:
            return file[self.dataset][box.slices()]


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open for reading; an unreadable file, or one that proves so while it is read, raises InputError."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path} is not a readable HDF5 file: {' '.join(str(error).split())}") from None


def _list_datasets(file: h5py.File) -> str:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return ", ".join(names) or "none"
