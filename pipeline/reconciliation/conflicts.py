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
VERSION = 2
GROUP = "conflicts"
COLUMNS = ("keeper", "joiner", "first", "second", "voxels", "is_seen", "z", "y", "x")


@dataclass(frozen=True)
class Conflicts:
    """Clashes in a whole volume, columns equally long; `first` and `second` are global ids, uint64."""

    columns: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, clashes: ClashTable, table: IdTable) -> Conflicts:
        """All clashes of all tiles, the largest first."""
        columns = {name: getattr(clashes, name) for name in COLUMNS}
        for name in ("first", "second"):
            columns[name] = table.global_of(clashes.keeper, columns[name])
        order = np.lexsort((*(columns[n] for n in ("x", "y", "z", "joiner", "keeper")), -columns["voxels"]))
        return cls({name: column[order] for name, column in columns.items()})

    def __len__(self) -> int:
        return len(self.columns["first"])

    @property
    def is_joined(self) -> np.ndarray:
        """For every row whether its two segments are one in the volume."""
        return self.columns["first"] == self.columns["second"]

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
            "worst": _rows(run, found),
        }
        path.write_text(json.dumps(said, indent=2, allow_nan=False) + "\n")

    return make(conflicts_target(run, id_table), write)


def _rows(run: Run, found: Conflicts) -> list[dict[str, Any]]:
    names = [tile.name for tile in run.grid] if len(found) else []
    rows = zip(*(found.columns[name][:MOST].tolist() for name in COLUMNS))
    return [
        {
            "kind": "joined" if first == second else "kept apart",
            "what": _what(names[keeper], names[joiner], first, second, is_seen),
            "segments": [first] if first == second else [first, second],
            "voxels": voxels,
            "point": [z, y, x],
        }
        for keeper, joiner, first, second, voxels, is_seen, z, y, x in rows
    ]


def _what(keeper: str, joiner: str, first: int, second: int, is_seen: bool) -> str:
    where = "where both look" if is_seen else "out of the other's sight"
    outcome = f"joined as {first}" if first == second else f"kept apart as {first} and {second}"
    return f"tile {keeper} has two objects that tile {joiner} has as one, {where}: {outcome}"
