"""Hdf5Volume: one dataset of an HDF5 file."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.results.artifacts import file_identity
from pipeline.volumes.attributes import stated_by
from pipeline.volumes.choice import Choice
from pipeline.volumes.layout import Layout
from pipeline.volumes.volume import Volume

FILTERS = {
    32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd",
    32017: "sz", 32018: "fcidecomp", 32022: "bitgroom", 32024: "sz3", 32026: "blosc2", 32028: "sperr",
}  # fmt: skip
"""Names of HDF5's registered filters, by their numbers."""

GIT_LFS = b"version https://git-lfs"


class Hdf5Volume(Volume):
    """Dataset `dataset` of the HDF5 file at `path`; its attributes say where it lies, see `attributes`.

    What was never written is missing, as are the parts of a virtual dataset whose sources are not there:
    HDF5 reads either as the fill value. Raises InputError when the file is missing, truncated, locked
    or not HDF5, when it has no such dataset (the message lists those it has), and when a filter is missing.
    """

    def __init__(self, path: Path, dataset: str, choice: Choice) -> None:
        choice.refuse_level(f"{path}:{dataset}")
        self.path = path
        self.dataset = dataset
        with open_hdf5(path) as file:
            found = _find(file, path, dataset)
            uri = f"{path}:{dataset}"
            _require_filters(found, uri)
            attributes = {name: _plain(value) for name, value in found.attrs.items()}
            labels = [dimension.label for dimension in found.dims]
            attributes.setdefault("axis_names", labels if all(labels) else None)
            stated = stated_by(attributes, found.ndim, uri)
            self._layout = Layout.of(found.shape, stated.axes, choice, uri)
            self._absent = _sources_not_there(found, path.parent)
            stored_chunk = found.chunks or (found.shape if _is_unwritten(found) or self._absent else None)
            if found.is_virtual and self._absent:
                stored_chunk = _common_chunk(found)
            super().__init__(
                uri,
                "HDF5",
                self._layout.volume_shape(found.shape),
                found.dtype,
                stated.frame(uri, choice.origin, choice.voxel_size_nm, choice.setting("origin")),
                None if stored_chunk is None else self._layout.volume_shape(stored_chunk),
            )
            self._stored_chunk = stored_chunk

    @property
    def identity(self) -> str:
        return f"{file_identity(self.path)} {self.dataset}"

    def _stored(self, chunks: list[Box]) -> list[bool]:
        if self._absent:
            indices = [self._layout.index(self._inside(chunk)) for chunk in chunks]
            return [not any(_overlaps(index, region) for region in self._absent) for index in indices]
        with open_hdf5(self.path) as file:
            dataset = file[self.dataset]
            if dataset.chunks is None:
                return [not _is_unwritten(dataset)] * len(chunks)
            if _all_written(dataset):
                return [True] * len(chunks)
            return [self._is_written(dataset, chunk) for chunk in chunks]

    def _is_written(self, dataset: h5py.Dataset, chunk: Box) -> bool:
        grid = self._layout.stored_chunk(self._chunk_index(chunk), dataset.chunks)
        start = tuple(index * length for index, length in zip(grid, dataset.chunks))
        return dataset.id.get_chunk_info_by_coord(start).byte_offset is not None

    def _load(self, box: Box) -> np.ndarray:
        with open_hdf5(self.path) as file:
            return self._layout.turned(file[self.dataset][self._layout.index(box)])


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open for reading; an unreadable file, or one that proves so while it is read, raises InputError."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not an HDF5 file") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read it") from None
    except OSError as error:
        raise InputError(_why_unreadable(path, error)) from None


def _why_unreadable(path: Path, error: OSError) -> str:
    text = " ".join(str(error).split())
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK) or "unable to lock file" in text:
        return (
            f"{path} is open in another program, which holds HDF5's lock on it: close it there; or, if it is "
            "not being written, set the environment variable HDF5_USE_FILE_LOCKING=FALSE"
        )
    with suppress(OSError), open(path, "rb") as file:
        head = file.read(len(GIT_LFS))
        if not head:
            return f"{path} is empty: it holds no byte"
        if head == GIT_LFS:
            return f"{path} is a pointer of Git LFS, not the data: fetch it with `git lfs pull`"
    return f"{path} is not a readable HDF5 file: {text}"


def _find(file: h5py.File, path: Path, dataset: str) -> h5py.Dataset:
    try:
        found = file.get(dataset) if dataset else None
    except (KeyError, OSError) as error:
        raise InputError(f"{path}: dataset {dataset!r}: {_one_line(error)}") from None
    if isinstance(found, h5py.Dataset):
        return found
    link = file.get(dataset, getlink=True) if dataset and found is None else None
    if isinstance(link, h5py.ExternalLink):
        raise InputError(f"{path}: {dataset!r} is a link to {link.filename}:{link.path}, which is not there")
    if isinstance(link, h5py.SoftLink):
        raise InputError(f"{path}: {dataset!r} is a link to {link.path}, which is not there")
    missing = f"no dataset {dataset!r}" if dataset else "to be given as FILE:DATASET"
    raise InputError(f"{path}: {missing}; its datasets: {_list_datasets(file)}")


def _list_datasets(file: h5py.File) -> str:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return ", ".join(names) or "none"


def _require_filters(dataset: h5py.Dataset, uri: str) -> None:
    """Raise InputError, naming the filter and the package that has it, when a dataset cannot be unpacked."""
    properties = dataset.id.get_create_plist()
    numbers = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if all(h5py.h5z.filter_avail(number) for number in numbers):
        return
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401 - registers its filters
    for number in numbers:
        if not h5py.h5z.filter_avail(number):
            name = FILTERS.get(number, f"number {number}")
            raise InputError(
                f"{uri} is packed with HDF5's filter {name}, which is not installed: pip install hdf5plugin"
            )


def _is_unwritten(dataset: h5py.Dataset) -> bool:
    """Whether nothing was ever written to the dataset; a small one may lie in its header."""
    if dataset.is_virtual or dataset.external:
        return False
    is_compact = dataset.id.get_create_plist().get_layout() == h5py.h5d.COMPACT
    return not is_compact and dataset.id.get_storage_size() == 0


def _all_written(dataset: h5py.Dataset) -> bool:
    grid = math.prod(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks))
    return bool(dataset.id.get_num_chunks() == grid)


Region = tuple[slice, ...]


def _sources_not_there(dataset: h5py.Dataset, folder: Path) -> list[Region]:
    """The regions of a dataset, as slices along its stored axes, whose sources are not there."""
    whole = tuple(slice(0, n) for n in dataset.shape)
    for name, _, _ in dataset.external or ():
        if not (folder / _plain(name)).exists():
            return [whole]
    if not dataset.is_virtual:
        return []
    absent = []
    for source in dataset.virtual_sources():
        if not _has_dataset(dataset, source, folder):
            start, stop = source.vspace.get_select_bounds()
            absent.append(tuple(slice(a, b + 1) for a, b in zip(start, stop)))
    return absent


def _has_dataset(dataset: h5py.Dataset, source: Any, folder: Path) -> bool:
    if source.file_name == ".":
        return source.dset_name in dataset.file
    try:
        with h5py.File(folder / source.file_name, "r") as file:
            return source.dset_name in file
    except OSError:
        return False


def _common_chunk(dataset: h5py.Dataset) -> tuple[int, ...]:
    """The largest shape of blocks, from the first voxel on, of which none lies in two sources."""
    bounds = [source.vspace.get_select_bounds() for source in dataset.virtual_sources()]
    starts, stops = (np.array(ends) for ends in zip(*bounds))
    return tuple(int(np.gcd.reduce([*starts[:, i], *stops[:, i] + 1])) for i in range(dataset.ndim))


def _overlaps(index: tuple[slice | int, ...], region: Region) -> bool:
    return all(
        (at.start < r.stop and r.start < at.stop) if isinstance(at, slice) else r.start <= at < r.stop
        for at, r in zip(index, region)
    )


def _plain(value: Any) -> Any:
    """Text as text: HDF5 gives bytes for some writers."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [_plain(item) for item in value.reshape(-1).tolist()]
    return value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
