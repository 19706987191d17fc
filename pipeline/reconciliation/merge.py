"""Decide, for the whole volume at once, which segments of which tiles are one object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from pipeline.apart import joins_to_keep
from pipeline.config import Reconciliation
from pipeline.errors import InputError
from pipeline.reconciliation.clashes import ClashTable, concatenate_clashes, in_order, stays_apart
from pipeline.reconciliation.components import joined_too, numbered
from pipeline.reconciliation.conflicts import Conflicts
from pipeline.reconciliation.evidence import JOINING
from pipeline.reconciliation.group import Group, Outside, StoredGroups
from pipeline.reconciliation.id_table import IdTable, offsets_of, rows_of
from pipeline.reconciliation.outcome import Outcome
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import open_image
from pipeline.volumes.absence import refuse_too_much
from pipeline.wording import counted

VERSION = 5

MERGING = JOINING | {"keep_apart"}
"""Settings by which the tiles' segments become those of the volume."""


def id_table_target(run: Run, groups: Sequence[Artifact]) -> Target:
    """The file of the IdTable of the whole volume."""
    settings = run.config.reconciliation.model_dump(mode="json", include=MERGING)
    recipe = Recipe("merge", VERSION, {"reconciliation": settings}, {"joins": combined(groups)})
    return Target(run.id_table_file, recipe)


def merge(run: Run, groups: Sequence[Artifact]) -> Artifact:
    """Publish the IdTable of the whole volume, and its Outcome, from the groups of all tiles in any order.

    Raises InputError when a group's file cannot be read, and when all tiles together lack more of the
    image than data.max_missing allows.
    """

    def write(path: Path) -> None:
        stored = StoredGroups(groups)
        _refuse_gaps(run, sum(group.missing_voxels for group in stored))
        table, clashes = merge_groups(stored, run.config.reconciliation)
        conflicts = Conflicts.of(clashes, table, ids_in_volume(stored, table))
        outcome = Outcome.of(sizes_of(stored, table), conflicts)
        table.write(path, vars(outcome), conflicts.write)

    return make(id_table_target(run, groups), write)


def _refuse_gaps(run: Run, missing_voxels: int) -> None:
    """Raise InputError where so many voxels of the image are too many to be missing in the inference box."""
    if missing_voxels:
        box = run.inference_box
        what = f"tiles found {counted(missing_voxels, 'voxel')} of the image missing in inference.box {box}"
        refuse_too_much(missing_voxels / box.size, what, open_image(run), run.config.data)


def merge_groups(groups: Iterable[Group], settings: Reconciliation) -> tuple[IdTable, ClashTable]:
    """Join segments along every overlap that `joins` accepts, and everything so connected; also all clashes.

    Two segments that a tile keeps apart where it sees them side by side are not made one: of the joins by
    which they would be, those go first that share most voxels, and one that would close the chain is left
    out. Global ids are 1, 2, 3 ... in the order of each object's first segment, by tile and local id, so they
    do not depend on which tiles are in which group, and the groups' order. `groups` is gone through several
    times. Raises InputError unless every tile 0, 1, 2 ... is in one.
    """
    offsets = _offsets(groups)
    local_ids, first = np.empty(offsets[-1], np.uint32), np.empty(offsets[-1], np.int64)
    outside, clashes = [], []
    for group in groups:
        rows = group.rows(offsets)
        local_ids[rows], first[rows] = group.ids, rows[group.first]
        outside.append(group.outside)
        clashes.append(group.clashes)
    joins, all_clashes = _whole(outside), in_order(concatenate_clashes(clashes))

    def rows_in(tile: np.ndarray, local_id: np.ndarray) -> np.ndarray:
        return rows_of(offsets, local_ids, tile, local_id)

    a, b = rows_in(joins.tile_a, joins.a), rows_in(joins.tile_b, joins.b)
    two = [rows_in(all_clashes.keeper, ids) for ids in (all_clashes.first, all_clashes.second)]
    apart = np.stack(two, axis=1)[stays_apart(all_clashes, settings)]
    of = joined_too(first, a, b)
    apart = apart[of[apart[:, 0]] == of[apart[:, 1]]]
    if len(apart):
        of = _taken_apart(groups, offsets, first, of, (a, b, joins.shared), apart)
    return IdTable(offsets, local_ids, numbered(of)), all_clashes


def _taken_apart(
    groups: Iterable[Group],
    offsets: np.ndarray,
    first: np.ndarray,
    of: np.ndarray,
    outside: tuple[np.ndarray, np.ndarray, np.ndarray],
    apart: np.ndarray,
) -> np.ndarray:
    """Of every row the first one of its object, where no two rows of `apart` are of one.

    `first` is within the group, `of` with the joins `outside` (rows a, b and shared voxels). Nearly all
    objects have nobody in `apart`, and joins are looked at one by one in the others alone.
    """
    is_torn = np.zeros(len(of), bool)
    is_torn[of[apart[:, 0]]] = True
    is_torn = is_torn[of]
    looked_at = [[column[is_torn[outside[0]]] for column in outside]]
    for group in groups:
        rows = group.rows(offsets)
        if is_torn[rows].any():
            inside = group.inside()
            a, b = rows[inside.a], rows[inside.b]
            looked_at.append([column[is_torn[a]] for column in (a, b, inside.shared)])
    a, b, shared = (np.concatenate(column) for column in zip(*looked_at))
    made = joins_to_keep(a, b, shared, apart)
    others = ~is_torn[outside[0]]
    return joined_too(
        np.where(is_torn, np.arange(len(first)), first),
        np.concatenate([outside[0][others], a[made]]),
        np.concatenate([outside[1][others], b[made]]),
    )


def _offsets(groups: Iterable[Group]) -> np.ndarray:
    """Where the rows of each tile begin in the table of all. Raises InputError as `merge_groups` does."""
    tiles, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for group in groups:
        tiles.append(group.tiles)
        counts.append(group.counts)
    tile = np.concatenate(tiles)
    order = np.argsort(tile)
    if not np.array_equal(tile[order], np.arange(len(tile))):
        raise InputError(f"evidence is of the tiles {tile[order].tolist()}; expected each tile once")
    return offsets_of(np.concatenate(counts)[order])


def _whole(outside: Sequence[Outside]) -> Outside:
    """All of them as one."""
    return Outside(*(np.concatenate([getattr(o, f.name) for o in outside]) for f in fields(Outside)))


def ids_in_volume(groups: Iterable[Group], table: IdTable) -> np.ndarray:
    """Of every global id whether the volume has voxels of it, bool: others lie in overlaps alone, where it
    has what another tile has there. Of 0 it has none."""
    found = np.zeros(int(table.global_ids.max(initial=0)) + 1, bool)
    for group in groups:
        found[table.global_ids[group.rows(table.offsets)][group.in_core].astype(np.int64)] = True
    return found


def sizes_of(groups: Iterable[Group], table: IdTable) -> np.ndarray:
    """Voxels of every global id, int64, those in overlaps as often as they were segmented; of 0 none."""
    sizes = np.zeros(int(table.global_ids.max(initial=0)) + 1, np.int64)
    for group in groups:
        np.add.at(sizes, table.global_ids[group.rows(table.offsets)].astype(np.int64), group.voxels)
    return sizes
