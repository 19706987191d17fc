"""Evidence that segments of two tiles are one object: the voxels they share where the tiles overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import fastremap
import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Tile
from pipeline.reconciliation.tile_labels import read_labels, read_missing_voxels
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.folders import place
from pipeline.results.hdf5_file import write_hdf5
from pipeline.results.records import make
from pipeline.results.unreadable import reading
from pipeline.run_folder import Run

VERSION = 1


@dataclass(frozen=True)
class OverlapTable:
    """Pairs of segments that meet in the overlap of two tiles: one row each, all columns equally long."""

    a: np.ndarray
    """uint32, id in the first tile."""
    b: np.ndarray
    """uint32, id in the second tile."""
    shared: np.ndarray
    """int64, voxels that are `a` in the first tile and `b` in the second."""
    size_a: np.ndarray
    """int64, voxels of `a` in the overlap that the second tile has labelled, with whatever id."""
    size_b: np.ndarray
    """int64, voxels of `b` in the overlap that the first tile has labelled, with whatever id."""

    def __len__(self) -> int:
        return len(self.shared)


def overlap_evidence(a: np.ndarray, b: np.ndarray) -> OverlapTable:
    """Count, for every pair of segments that meet in the overlap of two tiles, the voxels they share.

    Both blocks are (z, y, x) uint32 arrays over the same Box; 0 is unsegmented and never paired.
    What one tile left blank says nothing about the other's segments, so their sizes leave it out.
    The table is sorted by (id in a, id in b), so equal inputs give equal bytes.
    """
    if a.shape != b.shape:
        raise ValueError(f"blocks of shape {a.shape} and {b.shape} do not cover the same box")
    both = (a != 0) & (b != 0)
    packed = a[both].astype(np.uint64) << np.uint64(32) | b[both]
    pairs, shared = fastremap.unique(packed, return_counts=True)
    id_a = (pairs >> np.uint64(32)).astype(np.uint32)
    id_b = pairs.astype(np.uint32)
    shared = shared.astype(np.int64)
    return OverlapTable(id_a, id_b, shared, _sum_by(id_a, shared), _sum_by(id_b, shared))


def _sum_by(ids: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For every row the sum of `counts` over all rows with the same id."""
    _, group = np.unique(ids, return_inverse=True)
    sums = np.zeros(group.max(initial=-1) + 1, np.int64)
    np.add.at(sums, group, counts)
    return sums[group]


@dataclass(frozen=True)
class TileEvidence:
    """All that the merge needs to know of one tile."""

    tile: int
    ids: np.ndarray
    """uint32, the tile's segments in ascending order."""
    voxels: np.ndarray
    """int64, their sizes in the whole tile."""
    neighbour: np.ndarray
    """int64, for every row of `overlaps` the index of the second tile, ascending, above `tile`."""
    overlaps: OverlapTable
    missing_voxels: int = 0
    """Voxels of the tile's core that the image lacks."""


def evidence_target(run: Run, tile: Tile, tiles: Mapping[int, Artifact]) -> Target:
    """The file that holds what the merge must know of one tile; arguments as for `find_evidence`."""
    involved = {str(t.box): tiles[t.index].sha256 for t in (tile, *run.grid.later_neighbours(tile))}
    path = place(run.reconciliation_folder / "evidence", tile.box.start, f"{tile.name}.evidence.h5")
    return Target(path, Recipe("evidence", VERSION, {"tile": tile.index}, involved))


def find_evidence(run: Run, tile: Tile, tiles: Mapping[int, Artifact]) -> Artifact:
    """Compare a tile with its neighbours of higher index; `tiles` holds these and the tile itself.

    The artifact holds one TileEvidence. Raises InputError when a tile's file cannot be read.
    """
    neighbours = run.grid.later_neighbours(tile)

    def write(path: Path) -> None:
        labels = read_labels(tile, tiles[tile.index], tile.box)
        ids, voxels = fastremap.unique(labels[labels != 0], return_counts=True)
        tables = []
        for other in neighbours:
            shared = tile.box & other.box
            theirs = read_labels(other, tiles[other.index], shared)
            tables.append(overlap_evidence(labels[shared.slices(tile.box.start)], theirs))
        neighbour = np.repeat([n.index for n in neighbours], [len(t) for t in tables])
        missing = read_missing_voxels(tiles[tile.index])
        _write(path, TileEvidence(tile.index, ids, voxels, neighbour, concatenate(tables), missing))

    return make(evidence_target(run, tile, tiles), write)


def read_evidence(artifact: Artifact) -> TileEvidence:
    """Read what `find_evidence` wrote; raises InputError when the file cannot be read."""
    try:
        with reading(Path(artifact.path)), h5py.File(artifact.path, "r") as file:
            overlaps = OverlapTable(**{f.name: file["overlaps"][f.name][:] for f in fields(OverlapTable)})
            return TileEvidence(
                int(file.attrs["tile"]),
                file["ids"][:],
                file["voxels"][:],
                file["neighbour"][:],
                overlaps,
                int(file.attrs.get("missing_voxels", 0)),
            )
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read evidence {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error


def concatenate(tables: Sequence[OverlapTable]) -> OverlapTable:
    """All rows of all tables, in order."""
    empty = overlap_evidence(*np.zeros((2, 0, 0, 0), np.uint32))
    columns = [[getattr(table, f.name) for table in (empty, *tables)] for f in fields(OverlapTable)]
    return OverlapTable(*(np.concatenate(column) for column in columns))


def _write(path: Path, evidence: TileEvidence) -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["tile"] = evidence.tile
        if evidence.missing_voxels:
            file.attrs["missing_voxels"] = evidence.missing_voxels
        file["ids"] = evidence.ids.astype(np.uint32)
        file["voxels"] = evidence.voxels.astype(np.int64)
        file["neighbour"] = evidence.neighbour.astype(np.int64)
        for field in fields(OverlapTable):
            file[f"overlaps/{field.name}"] = getattr(evidence.overlaps, field.name)

    write_hdf5(path, fill)
