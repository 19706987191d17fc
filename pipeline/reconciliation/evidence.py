"""Evidence that segments of two tiles are one object: the voxels they share where the tiles overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import fastremap
import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Tile, triple
from pipeline.reconciliation.clashes import (
    DTYPES,
    ClashTable,
    Side,
    clash_table,
    concatenate_clashes,
    find_clashes,
)
from pipeline.reconciliation.overlap import OverlapTable, concatenate, overlap_evidence
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.folders import place
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5
from pipeline.results.records import make
from pipeline.results.tile_labels import read_labels, read_missing_voxels
from pipeline.run_folder import Run

VERSION = 5

JOINING = {"min_overlap_voxels", "min_overlap_fraction", "min_larger_fraction"}
"""Settings by which segments are joined, and so may clash."""


@dataclass(frozen=True)
class TileEvidence:
    """All that the merge needs to know of one tile."""

    tile: int
    ids: np.ndarray
    """uint32, the tile's segments in ascending order."""
    voxels: np.ndarray
    """int64, their sizes in the whole tile."""
    in_core: np.ndarray
    """bool, whether they have voxels in its core, which the volume has."""
    neighbour: np.ndarray
    """int64, for every row of `overlaps` the index of the second tile, ascending, above `tile`."""
    overlaps: OverlapTable
    missing_voxels: int = 0
    """Voxels of the tile's core that the image lacks."""
    clashes: ClashTable = field(default_factory=clash_table)
    """Those with the tiles in `neighbour`; either may be the one that keeps apart."""


def evidence_target(run: Run, tile: Tile, tiles: Mapping[int, Artifact]) -> Target:
    """The file that holds what the merge must know of one tile; arguments as for `find_evidence`."""
    involved = {str(t.box): tiles[t.index].sha256 for t in (tile, *run.grid.later_neighbours(tile))}
    path = place(run.reconciliation_folder / "evidence", tile.box.start, f"{tile.name}.evidence.h5")
    settings = {
        "tile": tile.index,
        "core": str(tile.core),  # which depends on neighbours of lower index too
        "reconciliation": run.config.reconciliation.model_dump(mode="json", include=JOINING),
        "fov": run.config.network.fov,
        "reflect": run.config.inference.reflect,
    }
    return Target(path, Recipe("evidence", VERSION, settings, involved))


def find_evidence(run: Run, tile: Tile, tiles: Mapping[int, Artifact]) -> Artifact:
    """Compare a tile with its neighbours of higher index; `tiles` holds these and the tile itself.

    The artifact holds one TileEvidence. Raises InputError when a tile's file cannot be read.
    """
    neighbours = run.grid.later_neighbours(tile)

    def write(path: Path) -> None:
        labels = read_labels(tile, tiles[tile.index], tile.box)
        ids, voxels = fastremap.unique(labels[labels != 0], return_counts=True)
        in_core = np.isin(ids, fastremap.unique(labels[tile.core.slices(tile.box.start)]))
        tables, clashes = [], []
        for other in neighbours:
            shared = tile.box & other.box
            theirs = read_labels(other, tiles[other.index], shared)
            ours = labels[shared.slices(tile.box.start)]
            tables.append(overlap_evidence(ours, theirs))
            clashes.append(_clashes(run, tables[-1], (tile, ours), (other, theirs)))
        neighbour = np.repeat([n.index for n in neighbours], [len(t) for t in tables])
        missing, overlaps = read_missing_voxels(tiles[tile.index]), concatenate(tables)
        found = concatenate_clashes(clashes)
        _write(path, TileEvidence(tile.index, ids, voxels, in_core, neighbour, overlaps, missing, found))

    return make(evidence_target(run, tile, tiles), write)


def _clashes(
    run: Run, table: OverlapTable, one: tuple[Tile, np.ndarray], other: tuple[Tile, np.ndarray]
) -> ClashTable:
    """The clashes of two tiles, with what each has in their overlap: first those that the one keeps apart."""
    settings, overlap = run.config.reconciliation, one[0].box & other[0].box
    ours, theirs = Side(one[0].index, one[1]), Side(other[0].index, other[1])
    return concatenate_clashes(
        [
            find_clashes(ours, theirs, table, overlap, seen_by(run, one[0]), settings),
            find_clashes(theirs, ours, table.swapped, overlap, seen_by(run, other[0]), settings),
        ]
    )


def seen_by(run: Run, tile: Tile) -> Box:
    """The part of a tile where FOVs are centred: it ends half a FOV before the faces to other tiles, and
    before the outer faces too where `inference.reflect` is not set. It may be empty."""
    outer, margin = run.inference_box, [n // 2 for n in run.config.network.fov]
    ends = not run.config.inference.reflect
    start = [a + m * (ends or a != o) for a, o, m in zip(tile.box.start, outer.start, margin)]
    stop = [b - m * (ends or b != o) for b, o, m in zip(tile.box.stop, outer.stop, margin)]
    return Box(triple(start), triple(stop))


def read_evidence(artifact: Artifact) -> TileEvidence:
    """Read what `find_evidence` wrote; raises InputError when the file cannot be read."""
    try:
        with reading_hdf5(artifact.path) as file:
            overlaps = OverlapTable(**{f.name: file["overlaps"][f.name][:] for f in fields(OverlapTable)})
            clashes = ClashTable(**{name: file["clashes"][name][:] for name in DTYPES})
            return TileEvidence(
                int(file.attrs["tile"]),
                file["ids"][:],
                file["voxels"][:],
                file["in_core"][:],
                file["neighbour"][:],
                overlaps,
                int(file.attrs.get("missing_voxels", 0)),
                clashes,
            )
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read evidence {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error


def _write(path: Path, evidence: TileEvidence) -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["tile"] = evidence.tile
        if evidence.missing_voxels:
            file.attrs["missing_voxels"] = evidence.missing_voxels
        file["ids"] = evidence.ids.astype(np.uint32)
        file["voxels"] = evidence.voxels.astype(np.int64)
        file["in_core"] = evidence.in_core
        file["neighbour"] = evidence.neighbour.astype(np.int64)
        for column in fields(OverlapTable):
            file[f"overlaps/{column.name}"] = getattr(evidence.overlaps, column.name)
        for name in DTYPES:
            file[f"clashes/{name}"] = getattr(evidence.clashes, name)

    write_hdf5(path, fill)
