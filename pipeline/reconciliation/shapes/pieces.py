"""What a cell holds of segments, in a file of which a reader takes single segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5
from pipeline.results.part_sums import read_sums, sum_of, write_sums

Column = Sequence[np.ndarray]
"""An array for every segment, equal but in their length."""


def write_pieces(
    path: Path, ids: Sequence[int], columns: Mapping[str, Column], full: Sequence[int] = ()
) -> None:
    """Write pieces of segments, `ids` ascending; each of `columns` has an array for every id.

    With them go their sums (`part_sums`), in the order of the ids; and those ids, `full`, whose pieces are
    larger than they should be.
    """

    def fill(file: h5py.File) -> None:
        file["ids"] = np.array(ids, np.uint64)
        file["full"] = np.array(full, np.uint64)
        for name, arrays in columns.items():
            file[f"{name} end"] = np.cumsum([len(array) for array in arrays], dtype=np.int64)
            file[name] = np.concatenate(arrays) if arrays else np.zeros(0, np.uint8)
        write_sums(file, (sum_of(*arrays) for arrays in zip(*columns.values())))

    write_hdf5(path, fill)


@dataclass(frozen=True)
class Ids:
    """What a file says of its pieces: `ids`, uint64, ascending; `sums`, uint8 (n, 32); and those of the ids,
    `full`, whose pieces are larger than they should be."""

    ids: np.ndarray
    sums: np.ndarray
    full: np.ndarray

    def among(self, wanted: np.ndarray) -> Ids:
        """Those of some segments."""
        chosen = np.isin(self.ids, wanted)
        return Ids(self.ids[chosen], self.sums[chosen], self.full[np.isin(self.full, wanted)])


def read_ids(path: str | Path) -> Ids:
    """The segments of which there are pieces. Raises InputError."""
    try:
        with reading_hdf5(path) as file:
            return Ids(file["ids"][()], read_sums(file), file["full"][()])
    except (OSError, KeyError) as error:
        raise _unreadable(path, error) from error


def read_pieces(
    path: str | Path, columns: Sequence[str], wanted: Iterable[int] | None = None
) -> dict[int, list[np.ndarray]]:
    """Of each segment that is there and `wanted` (None: all) its arrays in `columns`. Raises InputError."""
    try:
        with reading_hdf5(path) as file:
            rows = {int(i): row for row, i in enumerate(file["ids"][()])}
            ends = {name: [0, *file[f"{name} end"][()].tolist()] for name in columns}
            return {
                i: [file[name][ends[name][rows[i]] : ends[name][rows[i] + 1]] for name in columns]
                for i in (rows if wanted is None else wanted)
                if i in rows
            }
    except (OSError, KeyError) as error:
        raise _unreadable(path, error) from error


def as_bytes(content: bytes) -> np.ndarray:
    """The form in which a column holds them."""
    return np.frombuffer(content, np.uint8)


def _unreadable(path: str | Path, error: Exception) -> InputError:
    return InputError(f"cannot read {path}: {error}; remove it, and the run makes it again")
