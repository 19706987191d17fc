"""IdTable: which segment of which tile is which segment of the whole volume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import fastremap
import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5
from pipeline.results.part_sums import sum_of, write_sums


def offsets_of(counts: np.ndarray) -> np.ndarray:
    """Where the rows of each tile begin if it has `counts` of them, and the last ends; int64."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def rows_of(offsets: np.ndarray, local_ids: np.ndarray, tile: np.ndarray, local_id: np.ndarray) -> np.ndarray:
    """Rows, int64, of segments that are in a table with these columns, named by their tiles and ids there."""
    order = np.argsort(tile, kind="stable")
    rows = np.empty(len(tile), np.int64)
    tiles, begin = np.unique(tile[order], return_index=True)
    for one, of in zip(tiles.tolist(), np.split(order, begin[1:])):
        start, stop = offsets[one : one + 2]
        rows[of] = start + np.searchsorted(local_ids[start:stop], local_id[of])
    return rows


@dataclass(frozen=True)
class IdTable:
    """Global ids of the segments of all tiles; those of tile t stand in rows offsets[t] to offsets[t + 1].

    `offsets` is int64, one longer than there are tiles; `local_ids` uint32, ascending within a tile;
    `global_ids` uint64, 1 to the number of segments in the volume, as long as nobody has corrected them.
    """

    offsets: np.ndarray
    local_ids: np.ndarray
    global_ids: np.ndarray

    def global_of(self, tile: np.ndarray, local_id: np.ndarray) -> np.ndarray:
        """Global ids, uint64, of segments that are in the table, named by their tiles and ids there."""
        return self.global_ids[rows_of(self.offsets, self.local_ids, tile, local_id)]

    def sums(self) -> Iterator[bytes]:
        """Of what each tile's part holds."""
        for start, stop in pairwise(self.offsets.tolist()):
            yield sum_of(self.local_ids[start:stop], self.global_ids[start:stop])

    def write(
        self, path: Path, attributes: Mapping[str, int], also: Callable[[h5py.File], None] = lambda file: None
    ) -> None:
        """Write an HDF5 file of which `read_tile_ids` reads one tile's part; `also` adds to it.

        With it go the sums of the parts (`part_sums`): what is made of a few tiles depends on theirs alone.
        """

        def fill(file: h5py.File) -> None:
            file["offsets"] = self.offsets
            file["local_ids"] = self.local_ids
            file["global_ids"] = self.global_ids
            write_sums(file, self.sums())
            file.attrs.update(attributes)
            also(file)

        write_hdf5(path, fill)


@dataclass(frozen=True)
class TileIds:
    """The part of an IdTable that is about one tile."""

    local_ids: np.ndarray
    global_ids: np.ndarray

    def to_global(self, labels: np.ndarray) -> np.ndarray:
        """Global ids, uint64, of an array of the tile's ids; 0 stays 0. Raises KeyError for an unknown id."""
        mapping = dict(zip(self.local_ids.tolist(), self.global_ids.tolist()))
        return fastremap.remap(labels.astype(np.uint64), {0: 0, **mapping}, in_place=True)


def read_id_table(artifact: Artifact) -> IdTable:
    """A written IdTable; raises InputError when the file cannot be read."""
    try:
        with reading_hdf5(artifact.path) as file:
            return IdTable(*(file[name][:] for name in ("offsets", "local_ids", "global_ids")))
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read id table {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error


def read_tile_ids(artifact: Artifact, index: int) -> TileIds:
    """One tile's part of a written IdTable; raises InputError when the file cannot be read."""
    try:
        with reading_hdf5(artifact.path) as file:
            rows = slice(*file["offsets"][index : index + 2])
            return TileIds(file["local_ids"][rows], file["global_ids"][rows])
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read id table {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error
