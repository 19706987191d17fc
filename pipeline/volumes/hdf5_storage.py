"""What of an HDF5 dataset is stored: HDF5 gives its fill value for the rest without a word."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import gcd
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.volumes.hdf5_file import open_hdf5, require_filters
from pipeline.volumes.layout import Layout
from pipeline.volumes.lossy import lossy_filter

MOST_PIECES = 10_000
"""Of one source of a virtual dataset: one that fills every second voxel of a row has as many as voxels."""


class Storage(ABC):
    """Of one dataset. Boxes are z, y, x and count from its first voxel."""

    chunk: Triple | None
    """Shape of what may be missing apart; None where all is there."""
    files: list[Path]
    """Other files than the dataset's own that hold its voxels."""
    lossy = ""
    """The filter by which they are stored, if it does not keep them."""

    @abstractmethod
    def holds(self, dataset: h5py.Dataset, chunks: list[Box]) -> list[bool]:
        """Of each chunk whether anything is stored of it; no voxels are read."""


def storage_of(dataset: h5py.Dataset, layout: Layout, uri: str) -> Storage:
    """How the dataset, whose axes lie as `layout` says, is stored.

    Raises InputError where a file of raw data that it names is not there or too short, and where it is a
    virtual dataset of an open series of sources, of which nobody can tell whether one is missing, or of
    sources in too many pieces.
    """
    if dataset.is_virtual:
        return _Virtual(dataset, layout, uri)
    if dataset.chunks:
        return _Chunked(dataset, layout)
    return _Whole(dataset, layout, uri)


class _Whole(Storage):
    """Stored as one piece, in the file or in others beside it."""

    def __init__(self, dataset: h5py.Dataset, layout: Layout, uri: str) -> None:
        self._written = dataset.id.get_storage_size() > 0
        self.chunk = None if self._written else layout.volume_shape(dataset.shape)
        self.files = []
        left = dataset.nbytes
        for name, offset, size in dataset.external or ():
            file = Path(dataset.file.filename).parent / os.fsdecode(name)
            used = min(size, left)
            if not file.is_file():
                raise InputError(f"{uri}: its voxels lie in {file}, which is not there: copy it there")
            if file.stat().st_size < offset + used:
                raise InputError(
                    f"{uri}: voxels are in {file}, which has {file.stat().st_size} of {offset + used} bytes"
                )
            left -= used
            self.files.append(file)

    def holds(self, dataset: h5py.Dataset, chunks: list[Box]) -> list[bool]:
        return [self._written] * len(chunks)


class _Chunked(Storage):
    def __init__(self, dataset: h5py.Dataset, layout: Layout) -> None:
        self._layout = layout
        self._stored_chunks = dataset.chunks
        self.chunk = layout.volume_shape(dataset.chunks)
        self.lossy = lossy_filter(dataset)
        self.files = []
        self._allocated: np.ndarray | None = None

    def holds(self, dataset: h5py.Dataset, chunks: list[Box]) -> list[bool]:
        if self._allocated is None:
            self._allocated = _allocated(dataset)
        return [bool(self._allocated[self._position(box)]) for box in chunks]

    def _position(self, box: Box) -> tuple[int, ...]:
        assert self.chunk is not None
        index = triple([start // length for start, length in zip(box.start, self.chunk)])
        return self._layout.stored_chunk(index, self._stored_chunks)


def _allocated(dataset: h5py.Dataset) -> np.ndarray:
    """For each chunk of the stored grid whether it is there.

    HDF5 looks for one chunk by going through all, so all are asked for once, and not even that where their
    number says that none is missing.
    """
    grid = tuple(-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks))
    count = dataset.id.get_num_chunks()
    if count == np.prod(grid):
        return np.broadcast_to(np.True_, grid)
    there = np.zeros(grid, bool)

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        there[tuple(at // length for at, length in zip(chunk.chunk_offset, dataset.chunks))] = True

    if count:
        dataset.id.chunk_iter(note)
    return there


@dataclass(frozen=True)
class _Source:
    box: Box
    file: Path
    dataset: str


class _Virtual(Storage):
    """Put together of other datasets, where each lies by the boxes of its selection."""

    def __init__(self, dataset: h5py.Dataset, layout: Layout, uri: str) -> None:
        sources = _sources(dataset, layout, uri)
        self.chunk = _common_chunk([source.box for source in sources], layout.volume_shape(dataset.shape))
        own = Path(dataset.file.filename)
        self.files = sorted({source.file for source in sources} - {own})
        # of ten thousand sections of a file each, every tile would else look at all
        self._by_chunk = _by_chunk(sources, self.chunk)
        self._there: dict[tuple[Path, str], bool] = {}
        for source in sources[:1]:
            self.lossy = _source_filters(source, uri)

    def holds(self, dataset: h5py.Dataset, chunks: list[Box]) -> list[bool]:
        return [self._holds(box) for box in chunks]

    def _holds(self, chunk: Box) -> bool:
        """Whether sources cover the chunk and all of them are there."""
        assert self.chunk is not None
        sources = self._by_chunk[triple([at // n for at, n in zip(chunk.start, self.chunk)])]
        covered = sum((source.box & chunk).size for source in sources)
        return covered >= chunk.size and all(self._is_there(source) for source in sources)

    def _is_there(self, source: _Source) -> bool:
        key = (source.file, source.dataset)
        if key not in self._there:
            self._there[key] = _source_is_there(*key)
        return self._there[key]


def _sources(dataset: h5py.Dataset, layout: Layout, uri: str) -> list[_Source]:
    found = []
    for source in dataset.virtual_sources():
        file = _located(source.file_name, dataset)
        for first, last in _selected(source, uri):
            positions = zip(layout.positions, first, last)
            if all(at < 0 or low <= at <= high for at, low, high in positions):
                box = Box(layout.volume_shape(first), layout.volume_shape([end + 1 for end in last]))
                found.append(_Source(box, file, source.dset_name))
    return found


def _selected(source: Any, uri: str) -> Sequence[Any]:
    """First and last corners, along the stored axes, of the boxes that a source fills: several where it
    leaves out every second plane. Raises InputError where they have no end, or are too many."""
    space, mend = source.vspace, "write it out as a dataset of its own (with h5py, or h5repack)"
    try:
        bounds = space.get_select_bounds()
    except RuntimeError:
        raise InputError(
            f"{uri} is a virtual dataset of an open series of sources ({source.file_name}): whether one "
            f"is missing cannot be told; {mend}"
        ) from None
    if space.get_select_npoints() == math.prod(last - first + 1 for first, last in zip(*bounds)):
        return [bounds]
    pieces = space.get_select_hyper_nblocks()
    if pieces > MOST_PIECES:
        raise InputError(
            f"{uri} is a virtual dataset of {pieces:,} pieces of {source.file_name}, more than "
            f"{MOST_PIECES:,}: {mend}"
        )
    return space.get_select_hyper_blocklist()


def _by_chunk(sources: Sequence[_Source], shape: Triple) -> Mapping[Triple, list[_Source]]:
    """The sources that share voxels with each chunk, by its place in the grid, z, y, x."""
    found: defaultdict[Triple, list[_Source]] = defaultdict(list)
    for source in sources:
        spans = zip(source.box.start, source.box.stop, shape)
        for index in product(*(range(a // n, -(-b // n)) for a, b, n in spans)):
            found[triple(index)].append(source)
    return found


def _located(name: str, dataset: h5py.Dataset) -> Path:
    """Where HDF5 finds a source's file: as named, in HDF5_VDS_PREFIX, beside the file that names it."""
    own = Path(dataset.file.filename)
    if name == ".":
        return own
    prefix = os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", str(own.parent))
    absolute = Path(name).is_absolute()
    relative = Path(name).name if absolute else name
    candidates = [
        *([Path(name)] if absolute else []),
        *([Path(prefix) / relative] if prefix else []),
        own.parent / relative,
        Path(relative),
    ]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _source_is_there(file: Path, name: str) -> bool:
    """Whether all of a source is stored; HDF5 gives fill values for one that it cannot open."""
    try:
        with open_hdf5(file) as opened:
            found = opened.get(name)
            return isinstance(found, h5py.Dataset) and _is_stored(found)
    except InputError:
        return False


def _is_stored(dataset: h5py.Dataset) -> bool:
    if dataset.is_virtual:  # the next may be virtual too
        parts = dataset.virtual_sources()
        covered = sum(part.vspace.get_select_npoints() for part in parts)
        return covered >= dataset.size and all(
            _source_is_there(_located(part.file_name, dataset), part.dset_name) for part in parts
        )
    if dataset.chunks:
        return bool(_allocated(dataset).all())
    return dataset.id.get_storage_size() > 0


def _source_filters(source: _Source, uri: str) -> str:
    """The filter of a source that does not keep what is written, if one does not. Raises InputError where
    one is not installed. The sources of one volume are written alike: one is looked at."""
    if not _source_is_there(source.file, source.dataset):
        return ""
    with open_hdf5(source.file) as file:
        require_filters(file[source.dataset], f"{uri} is made of {source.file}:{source.dataset}, which")
        return lossy_filter(file[source.dataset])


def _common_chunk(boxes: list[Box], shape: Triple) -> Triple:
    """A shape whose grid cuts no box, and else, where only slivers would do that, that of the largest."""
    if not boxes:
        return shape
    chunk, largest = [], []
    for axis, length in enumerate(shape):
        cuts = {edge for box in boxes for edge in (box.start[axis], box.stop[axis])} - {length}
        lengths = [box.shape[axis] for box in boxes]
        chunk.append(gcd(*cuts) or length)
        largest.append(max(lengths))
    slivers = any(2 * common < longest for common, longest in zip(chunk, largest))
    return triple(largest if slivers else chunk)
