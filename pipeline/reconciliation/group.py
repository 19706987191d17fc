"""Groups of tiles near each other: their evidence in one file, and what they join among themselves joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np

from pipeline.config import Reconciliation
from pipeline.errors import InputError
from pipeline.geometry import Box, Triple
from pipeline.reconciliation.clashes import DTYPES, ClashTable, concatenate_clashes
from pipeline.reconciliation.components import first_connected
from pipeline.reconciliation.evidence import JOINING, TileEvidence, read_evidence
from pipeline.reconciliation.id_table import offsets_of, rows_of
from pipeline.reconciliation.joining import joins
from pipeline.reconciliation.overlap import concatenate
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5
from pipeline.results.records import make
from pipeline.run_folder import Run

VERSION = 2

GROUP: Triple = (8, 8, 8)
"""Tiles along each axis: with 10^5 tiles there are 200 groups, and two thirds of all joins are inside one."""


@dataclass(frozen=True)
class Inside:
    """Joins of two segments of a group, int64 columns equally long: two rows of it, and the shared voxels."""

    a: np.ndarray
    b: np.ndarray
    shared: np.ndarray


@dataclass(frozen=True)
class Outside:
    """Joins with segments of other groups: tiles, ids there, shared voxels."""

    tile_a: np.ndarray
    a: np.ndarray
    tile_b: np.ndarray
    b: np.ndarray
    shared: np.ndarray


@dataclass(frozen=True)
class Group:
    """What the merge of the whole volume must know of some of its tiles; a row is a segment of one."""

    tiles: np.ndarray
    """int64, ascending."""
    counts: np.ndarray
    """int64, how many segments each has."""
    ids: np.ndarray
    """uint32, a row each: those of one tile after those of the other, ascending in each."""
    voxels: np.ndarray
    """int64, a row each: sizes in the whole tile."""
    in_core: np.ndarray
    """bool, a row each: whether it has voxels in the tile's core."""
    first: np.ndarray
    """int64, a row each: the first row that is connected with it by joins inside the group."""
    outside: Outside
    clashes: ClashTable
    """In the order of the tiles in whose evidence they are."""
    missing_voxels: int
    inside: Callable[[], Inside]
    """Asked for only where objects have to be taken apart again."""

    def rows(self, offsets: np.ndarray) -> np.ndarray:
        """Of each row of the group the row, int64, in a table where the tiles have these `offsets`."""
        shift = offsets[self.tiles] - offsets_of(self.counts)[:-1]
        return np.repeat(shift, self.counts) + np.arange(len(self.ids))


def groups(run: Run) -> list[tuple[int, ...]]:
    """Indices of the tiles of each group, ascending; every tile is in one."""
    indices = np.arange(len(run.grid)).reshape(run.grid.shape)
    return [tuple(indices[part.slices()].ravel().tolist()) for part in _parts(run)]


def count_groups(run: Run) -> int:
    """How many `groups` there are; none is made."""
    return len(_parts(run))


def _parts(run: Run) -> list[Box]:
    return Box.of_shape(run.grid.shape).blocks(GROUP)


def group_target(run: Run, group: tuple[int, ...], evidence: Sequence[Artifact]) -> Target:
    """The file of one group; arguments as for `gather`."""
    settings = run.config.reconciliation.model_dump(mode="json", include=JOINING)
    recipe = Recipe("join", VERSION, {"reconciliation": settings}, {"evidence": combined(evidence)})
    return Target(run.reconciliation_folder / "groups" / f"{group[0]:07d}.h5", recipe)


def gather(run: Run, group: tuple[int, ...], evidence: Sequence[Artifact]) -> Artifact:
    """Publish one of `groups(run)` from the evidence of its tiles, in any order.

    Raises InputError when a file of evidence cannot be read.
    """

    def write(path: Path) -> None:
        _write(path, gathered([read_evidence(e) for e in evidence], run.config.reconciliation))

    return make(group_target(run, group, evidence), write)


def gathered(evidence: Sequence[TileEvidence], settings: Reconciliation) -> Group:
    """The group of some tiles, whatever their order."""
    evidence = sorted(evidence, key=lambda e: e.tile)
    tiles = np.array([e.tile for e in evidence], np.int64)
    counts = np.array([len(e.ids) for e in evidence], np.int64)
    ids = np.concatenate([np.zeros(0, np.uint32), *(e.ids for e in evidence)])
    overlaps = concatenate([e.overlaps for e in evidence])
    tile_a = np.repeat(tiles, [len(e.overlaps) for e in evidence])
    tile_b = np.concatenate([np.zeros(0, np.int64), *(e.neighbour for e in evidence)])
    joined = joins(overlaps, settings)
    is_inside = joined & np.isin(tile_b, tiles)
    a, b = (
        rows_of(offsets_of(counts), ids, np.searchsorted(tiles, tile[is_inside]), local[is_inside])
        for tile, local in ((tile_a, overlaps.a), (tile_b, overlaps.b))
    )
    inside = Inside(a, b, overlaps.shared[is_inside])
    leaves = joined & ~is_inside
    columns = (tile_a, overlaps.a, tile_b, overlaps.b, overlaps.shared)
    return Group(
        tiles,
        counts,
        ids,
        np.concatenate([np.zeros(0, np.int64), *(e.voxels.astype(np.int64) for e in evidence)]),
        np.concatenate([np.zeros(0, bool), *(e.in_core for e in evidence)]),
        first_connected(len(ids), a, b),
        Outside(*(column[leaves] for column in columns)),
        concatenate_clashes([e.clashes for e in evidence]),
        sum(e.missing_voxels for e in evidence),
        lambda: inside,
    )


@dataclass(frozen=True)
class StoredGroups:
    """The groups in files, one after the other, read anew each time that they are gone through."""

    artifacts: Sequence[Artifact]

    def __iter__(self) -> Iterator[Group]:
        return map(read_group, self.artifacts)


COLUMNS = ("tiles", "counts", "ids", "voxels", "in_core", "first")


def read_group(artifact: Artifact) -> Group:
    """Read what `gather` wrote; raises InputError when the file cannot be read, as does its `inside`."""

    def inside() -> Inside:
        with _opened(artifact) as file:
            return Inside(*(file["inside"][f.name][:] for f in fields(Inside)))

    with _opened(artifact) as file:
        return Group(
            **{name: file[name][:] for name in COLUMNS},
            outside=Outside(*(file["outside"][f.name][:] for f in fields(Outside))),
            clashes=ClashTable(**{name: file["clashes"][name][:] for name in DTYPES}),
            missing_voxels=int(file.attrs["missing_voxels"]),
            inside=inside,
        )


@contextmanager
def _opened(artifact: Artifact) -> Iterator[h5py.File]:
    try:
        with reading_hdf5(artifact.path) as file:
            yield file
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read joins {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error


def _write(path: Path, group: Group) -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["missing_voxels"] = group.missing_voxels
        for name in COLUMNS:
            file[name] = getattr(group, name)
        for name, table in (
            ("inside", group.inside()),
            ("outside", group.outside),
            ("clashes", group.clashes),
        ):
            for column in fields(table):
                file[f"{name}/{column.name}"] = getattr(table, column.name)

    write_hdf5(path, fill)
