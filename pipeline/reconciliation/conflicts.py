"""Where tiles contradict each other about what is one object, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.reconciliation.clashes import ClashTable
from pipeline.reconciliation.id_table import IdTable
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.hdf5_file import reading_hdf5
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import image_voxel_size_nm

MOST = 1000
"""The largest are listed; all are counted."""
VERSION = 3
GROUP = "conflicts"
IDS = {"first": "keeper", "second": "keeper", "joint": "joiner"}
"""The columns of ids, each with that of the tile."""
HAS = tuple(f"has_{name}" for name in IDS)
COLUMNS = ("keeper", "joiner", *IDS, *HAS, "voxels", "is_seen", "z", "y", "x")


@dataclass(frozen=True)
class Conflicts:
    """Clashes in a whole volume, columns equally long; `first`, `second` and `joint` are global ids, uint64,
    and `has_first` and so on, bool, whether the volume has voxels of them."""

    columns: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, clashes: ClashTable, table: IdTable, in_volume: np.ndarray) -> Conflicts:
        """All clashes of all tiles, the largest first; `in_volume`, bool, is whether it has a global id."""
        columns = dict(vars(clashes))
        for name, tile in IDS.items():
            columns[name] = table.global_of(columns[tile], columns[name])
            columns[f"has_{name}"] = in_volume[columns[name].astype(np.int64)]
        order = np.lexsort((*(columns[n] for n in ("x", "y", "z", "joiner", "keeper")), -columns["voxels"]))
        return cls({name: columns[name][order] for name in COLUMNS})

    def __len__(self) -> int:
        return len(self.columns["first"])

    @property
    def is_joined(self) -> np.ndarray:
        """For every row whether its two segments are one in the volume."""
        return self.columns["first"] == self.columns["second"]

    @property
    def has_both(self) -> np.ndarray:
        """For every row whether the volume has voxels of both."""
        return self.columns["has_first"] & self.columns["has_second"]

    def write(self, file: h5py.File) -> None:
        """Add the table to a file that `read_conflicts` reads it from."""
        for name, column in self.columns.items():
            file[f"{GROUP}/{name}"] = column


def read_conflicts(id_table: Artifact) -> Conflicts:
    """The conflicts that the merge found. Raises InputError when the file cannot be read."""
    try:
        with reading_hdf5(id_table.path) as file:
            return Conflicts({name: file[GROUP][name][:] for name in COLUMNS})
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read conflicts in {id_table.path}: {error}; remove it, and the run makes it again"
        ) from error


def conflicts_target(run: Run, id_table: Artifact) -> Target:
    """The run's conflicts.json."""
    settings = {"most": MOST, "voxel_size_nm": image_voxel_size_nm(run)}
    recipe = Recipe("conflicts", VERSION, settings, {"id table": id_table.sha256})
    return Target(run.conflicts_file, recipe)


def list_conflicts(run: Run, id_table: Artifact) -> Artifact:
    """Write the run's conflicts.json: how many there are, and the largest, each with a point to look at.

    Raises InputError when the id table cannot be read.
    """

    def write(path: Path) -> None:
        found = read_conflicts(id_table)
        said = {
            "voxel_size_nm": image_voxel_size_nm(run),
            "conflicts": len(found),
            "joined": int(np.count_nonzero(found.is_joined)),
            "without_voxels": int(np.count_nonzero(~found.has_both)),
            "worst": _rows(run, found),
        }
        path.write_text(json.dumps(said, indent=2, allow_nan=False) + "\n")

    return make(conflicts_target(run, id_table), write)


def _rows(run: Run, found: Conflicts) -> list[dict[str, Any]]:
    names = [tile.name for tile in run.grid] if len(found) else []
    rows = (dict(zip(COLUMNS, row)) for row in zip(*(found.columns[c][:MOST].tolist() for c in COLUMNS)))
    return [
        {
            "kind": "joined" if row["first"] == row["second"] else "kept apart",
            "what": _what(names[row["keeper"]], names[row["joiner"]], row),
            "segments": [i for i, is_there in _ids(row).items() if is_there],
            "voxels": row["voxels"],
            "point": [row[axis] for axis in "zyx"],
        }
        for row in rows
    ]


def _ids(row: Mapping[str, Any]) -> dict[int, bool]:
    """Each id once, and whether the volume has voxels of it."""
    return {row[name]: row[has] for name, has in zip(IDS, HAS)}


def _what(keeper: str, joiner: str, row: Mapping[str, Any]) -> str:
    where = "where both look" if row["is_seen"] else "out of the other's sight"
    first, second, joint = (row[name] for name in IDS)
    outcome = f"joined as {first}" if first == second else f"kept apart as {first} and {second}"
    if joint not in (first, second):
        outcome += f", that one is {joint}"
    gone = [str(i) for i, is_there in _ids(row).items() if not is_there]
    if gone:
        outcome += f"; of {' and '.join(gone)} the volume has no voxel"
    return f"tile {keeper} has two objects that tile {joiner} has as one, {where}: {outcome}"
