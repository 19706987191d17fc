"""Apply a person's joins and cuts to the id table, and list what became of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Tile, Triple
from pipeline.reconciliation.clashes import concatenate_clashes, in_order
from pipeline.reconciliation.conflicts import Conflicts
from pipeline.reconciliation.correcting import Became, Joins, corrected_ids
from pipeline.reconciliation.group import StoredGroups
from pipeline.reconciliation.id_table import IdTable, read_id_table, rows_of
from pipeline.reconciliation.merge import ids_in_volume, sizes_of
from pipeline.reconciliation.outcome import Outcome
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.hdf5_file import reading_hdf5
from pipeline.results.kept_apart import write_kept_apart
from pipeline.results.records import make
from pipeline.results.tile_labels import read_labels
from pipeline.run_folder import Run
from pipeline.settings.corrections import Correction, identity_of, read_corrections
from pipeline.volumes import image_voxel_size_nm

VERSION = 5
LIST_VERSION = 2
GROUP = "corrections"
WHY_NOT = {
    Became.OUTSIDE: "a point lies outside what is segmented",
    Became.BLANK: "a point lies on a voxel of no segment",
    Became.ONE_TILE_SEGMENT: "both points lie in one segment of one tile, which cannot be cut",
}


def corrections_of(run: Run) -> list[Correction]:
    """The run's corrections, none where it names no file. Raises InputError, also where that was edited."""
    path = run.config.reconciliation.corrections
    if path is None:
        return []
    found = read_corrections(Path(path), image_voxel_size_nm(run))
    if identity_of(found) != run.identities["corrections"]:
        raise InputError(f"{path} was edited since the run began: run the same command again")
    return found


def tiles_corrected(run: Run) -> tuple[Tile, ...]:
    """The tiles that say on which segments the points of the run's corrections lie, in order of index."""
    points = {point for correction in corrections_of(run) for point in (correction.a, correction.b)}
    found = {tile for point in points for tile in run.grid.with_cores_in(_voxel(point))}
    return tuple(sorted(found))


def corrected_table_target(
    run: Run, id_table: Artifact, groups: Sequence[Artifact], tiles: Mapping[int, Artifact]
) -> Target:
    """The file of the corrected IdTable; arguments as for `correct`."""
    inputs = {
        "id table": id_table.sha256,
        "joins": combined(groups),
        "corrections": run.identities["corrections"],
        **{str(tile.box): tiles[tile.index].sha256 for tile in tiles_corrected(run)},
    }
    return Target(run.corrected_table_file, Recipe("correct", VERSION, {}, inputs))


def correct(
    run: Run, id_table: Artifact, groups: Sequence[Artifact], tiles: Mapping[int, Artifact]
) -> Artifact:
    """Publish the IdTable as the run's corrections want it, with its Outcome, and what became of each.

    `groups` are those that the table was merged from, `tiles` holds those of `tiles_corrected(run)`.
    Raises InputError when a file cannot be read, and ContradictionError where corrections contradict each
    other.
    """

    def write(path: Path) -> None:
        write_corrected(path, run, id_table, groups, tiles)

    return make(corrected_table_target(run, id_table, groups, tiles), write)


def write_corrected(
    path: Path, run: Run, id_table: Artifact, groups: Sequence[Artifact], tiles: Mapping[int, Artifact]
) -> None:
    """Write to `path` what `correct` publishes; equal input gives equal bytes. Raises as that does."""
    corrections, stored = corrections_of(run), StoredGroups(groups)
    table = read_id_table(id_table)
    rows, became = _rows(run, corrections, table, tiles)
    found = rows.min(axis=1) >= 0
    chosen = [c for c, on_segments in zip(corrections, found.tolist()) if on_segments]
    ids, made = corrected_ids(table.global_ids, _joins(stored, table, rows[found]), chosen, rows[found])
    became[found] = made
    corrected = IdTable(table.offsets, table.local_ids, ids)
    clashes = in_order(concatenate_clashes([group.clashes for group in stored]))
    conflicts = Conflicts.of(clashes, corrected, ids_in_volume(stored, corrected))
    outcome = Outcome.of(sizes_of(stored, corrected), conflicts)

    def also(file: h5py.File) -> None:
        conflicts.write(file)
        file[f"{GROUP}/became"] = became
        for name, of in (("before", table.global_ids), ("after", ids)):
            file[f"{GROUP}/{name}"] = np.append(of.astype(np.uint64), np.uint64(0))[rows]  # -1: 0
        write_kept_apart(file, ids[rows[np.isin(became, (Became.CUT, Became.APART_ALREADY))]])

    corrected.write(path, vars(outcome), also)


def list_target(run: Run, corrected: Artifact) -> Target:
    """The run's corrections.json."""
    inputs = {"id table": corrected.sha256, "corrections": run.identities["corrections"]}
    settings = {"file": run.config.reconciliation.corrections}
    return Target(run.corrections_file, Recipe("list corrections", LIST_VERSION, settings, inputs))


def list_corrections(run: Run, corrected: Artifact) -> Artifact:
    """Write the run's corrections.json: what became of each correction, and how many were made.

    Raises InputError when a file cannot be read.
    """

    def write(path: Path) -> None:
        became, before, after = _read_became(corrected)
        rows = [_row(*of) for of in zip(corrections_of(run), map(Became, became.tolist()), before, after)]
        said = {
            "file": run.config.reconciliation.corrections,
            "counts": {b.name.lower(): int(np.count_nonzero(became == b)) for b in Became},
            "corrections": rows,
        }
        path.write_text(json.dumps(said, indent=2) + "\n")

    return make(list_target(run, corrected), write)


def _row(correction: Correction, became: Became, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    return {
        "kind": correction.kind,
        "where": correction.name,
        "points": [list(correction.a), list(correction.b)],
        "note": correction.note,
        "became": became.name.lower(),
        "why_not": None if became.is_made else WHY_NOT[became],
        "segments_before": before.tolist(),
        "segments": after.tolist(),
    }


def _rows(
    run: Run, corrections: Sequence[Correction], table: IdTable, tiles: Mapping[int, Artifact]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows, (n, 2) int64, on which the points lie, -1 for none; and why not, uint8, of those of which one has
    none."""
    rows = np.full((len(corrections), 2), -1, np.int64)
    became = np.zeros(len(corrections), np.uint8)
    for number, correction in enumerate(corrections):
        for end, point in enumerate((correction.a, correction.b)):
            holding = run.grid.with_cores_in(_voxel(point))
            if not holding:
                became[number] = Became.OUTSIDE
                continue
            [tile] = holding
            local = read_labels(tile, tiles[tile.index], _voxel(point))[0, 0, 0]
            if local:
                [rows[number, end]] = rows_of(
                    table.offsets, table.local_ids, *np.array([[tile.index], [local]])
                )
            elif became[number] != Became.OUTSIDE:
                became[number] = Became.BLANK
    return rows, became


def _voxel(point: Triple) -> Box:
    return Box.of_shape((1, 1, 1), point)


def _joins(groups: StoredGroups, table: IdTable, rows: np.ndarray) -> Joins:
    """All joins that the merge has made in the objects of which `rows` are."""
    named = np.isin(table.global_ids, table.global_ids[rows])
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for group in groups:
        own, out = group.rows(table.offsets), group.outside
        a, b = (
            rows_of(table.offsets, table.local_ids, tile, local)
            for tile, local in ((out.tile_a, out.a), (out.tile_b, out.b))
        )
        columns.append((a, b, out.shared))
        if named[own].any():
            inside = group.inside()
            columns.append((own[inside.a], own[inside.b], inside.shared))
    a, b, shared = (np.concatenate(column).astype(np.int64) for column in zip(*columns))
    made = named[a] & (table.global_ids[a] == table.global_ids[b])
    return Joins(a[made], b[made], shared[made])


def _read_became(corrected: Artifact) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        with reading_hdf5(corrected.path) as file:
            became, before, after = (file[GROUP][name][()] for name in ("became", "before", "after"))
            return became, before, after
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read {corrected.path}: {error}; remove it, and the run makes it again"
        ) from error
