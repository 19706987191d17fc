"""A part of a volume as a dataset of a new HDF5 file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from pipeline.export.part import Part
from pipeline.geometry import Triple
from pipeline.volumes.frame import AXES

CHUNK: Triple = (64, 64, 64)


def write_hdf5(part: Part, path: Path, dataset: str) -> Iterator[int]:
    """Write the file, chunked and packed by gzip; voxel size and offset are attributes as funlib has them.

    Where the voxel size is unknown, their unit is the voxel. Says of each block how many voxels it had.
    Raises OSError where the file system refuses.
    """
    with _Watched(path, "wb+") as watched:
        with h5py.File(watched, "w") as file:
            stored = _dataset(file, part, dataset)
            for block, voxels in part.blocks():
                stored[block.slices()] = voxels
                watched.refuse()
                yield block.size
        watched.refuse()


def _dataset(file: h5py.File, part: Part, name: str) -> h5py.Dataset:
    shape, size = part.box.shape, part.voxel_size_nm or (1.0, 1.0, 1.0)
    made = file.create_dataset(
        name,
        shape,
        part.dtype,
        chunks=tuple(min(c, n) for c, n in zip(CHUNK, shape)),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
        track_times=False,
    )
    made.attrs["axis_names"] = list(AXES)
    made.attrs["resolution"] = size
    made.attrs["offset"] = [at * length for at, length in zip(part.box.start, size)]
    made.attrs["units"] = ["nm" if part.voxel_size_nm else "voxel"] * len(AXES)
    return made


class _Watched(io.FileIO):
    """A file that keeps what the file system refuses. HDF5 tells it in many words, or not at all: of what
    it writes when a dataset is closed."""

    _refused: OSError | None = None

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while len(left) and self._refused is None:
            try:
                left = left[super().write(left) :]
            except OSError as error:
                self._refused = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._refused = error
            return size or 0

    def refuse(self) -> None:
        """Raise the OSError that there was."""
        if self._refused is not None:
            raise self._refused
