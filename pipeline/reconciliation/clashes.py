"""Clashes: two segments that one tile keeps apart, and a neighbour has as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import combinations

import cc3d
import edt
import fastremap
import numpy as np

from pipeline.config import Reconciliation
from pipeline.geometry import Box, Triple, triple
from pipeline.reconciliation.joining import holds
from pipeline.reconciliation.overlap import OverlapTable


@dataclass(frozen=True)
class ClashTable:
    """One row for each clash, all columns equally long."""

    keeper: np.ndarray
    """int64, index of the tile that keeps the two apart."""
    first: np.ndarray
    """uint32, id of one of them there."""
    second: np.ndarray
    """uint32, id of the other, which is above the first."""
    joiner: np.ndarray
    """int64, index of the tile that has both as one."""
    joint: np.ndarray
    """uint32, the id that they have there."""
    voxels: np.ndarray
    """int64, voxels that the smaller of the two has in common with it."""
    is_seen: np.ndarray
    """bool, whether they come together where the keeper sees; else it is where the joiner alone does."""
    z: np.ndarray
    """int64, as y and x: a voxel of the smaller one where it is next to the other, in the volume."""
    y: np.ndarray
    x: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


DTYPES = dict(
    zip(
        (f.name for f in fields(ClashTable)),
        (np.int64, np.uint32, np.uint32, np.int64, np.uint32, np.int64, bool, np.int64, np.int64, np.int64),
    )
)


def clash_table(rows: Sequence[tuple[int, ...]] = ()) -> ClashTable:
    """A table of these rows, in the order of the columns."""
    columns = zip(*rows) if rows else [[] for _ in DTYPES]
    return ClashTable(*(np.array(c, dtype) for c, dtype in zip(columns, DTYPES.values())))


def concatenate_clashes(tables: Sequence[ClashTable]) -> ClashTable:
    """All rows of all tables, in order."""
    columns = [[getattr(table, name) for table in (clash_table(), *tables)] for name in DTYPES]
    return ClashTable(*(np.concatenate(column) for column in columns))


def in_order(clashes: ClashTable) -> ClashTable:
    """The rows in the order of the tiles in whose evidence they are, whatever groups they came in."""
    order = np.argsort(np.minimum(clashes.keeper, clashes.joiner), kind="stable")
    return ClashTable(*(getattr(clashes, name)[order] for name in DTYPES))


@dataclass(frozen=True)
class Side:
    """What one tile has in the overlap of two."""

    tile: int
    labels: np.ndarray
    """uint32 (z, y, x), its ids there."""


def find_clashes(
    keeper: Side, joiner: Side, table: OverlapTable, overlap: Box, seen: Box, settings: Reconciliation
) -> ClashTable:
    """The clashes of two tiles in their `overlap`, sorted by the joiner's id and the keeper's two.

    `table` is of the keeper and the joiner, in this order. Where one segment of the joiner `holds` two of the
    keeper, they clash. They come together in sight of the keeper where one connected piece of the joiner's
    segment, within `seen`, has enough voxels of both: then the keeper has looked at that very place. Else
    they are branches, or a merger, of which only the joiner knows.
    """
    held = holds(table, settings)
    pairs = np.stack([table.a[held], table.b[held]], axis=1)
    joints, count = np.unique(pairs[:, 1], return_counts=True)
    contested = joints[count > 1]
    if not len(contested):
        return clash_table()
    here = (overlap & seen).slices(overlap.start)
    kept, joined = (
        keeper.labels[here],
        np.where(np.isin(joiner.labels[here], contested), joiner.labels[here], 0),
    )
    together = _pairs_in_one_piece(kept, joined, settings.min_overlap_voxels)
    rows = []
    for joint in contested.tolist():
        ids = sorted(pairs[pairs[:, 1] == joint, 0].tolist())
        meetings = _meetings(keeper.labels, joiner.labels == joint, ids)
        for first, second in combinations(ids, 2):
            voxels, point = meetings[first, second]
            is_seen = (joint, first, second) in together
            at = (p + o for p, o in zip(point, overlap.start))
            rows.append((keeper.tile, first, second, joiner.tile, joint, voxels, is_seen, *at))
    return clash_table(rows)


def stays_apart(clashes: ClashTable, settings: Reconciliation) -> np.ndarray:
    """For every clash whether its two segments are never made one, whatever joins there are: a bool array."""
    if settings.keep_apart == "seen":
        return clashes.is_seen
    if settings.keep_apart == "most":
        pair, joint = (clashes.keeper, clashes.first, clashes.second), (clashes.joiner, clashes.joint)
        against_joint = _tiles_against(joint, clashes.keeper, clashes.is_seen)
        return clashes.is_seen & (against_joint > _tiles_against(pair, clashes.joiner, clashes.is_seen))
    return np.full(len(clashes), settings.keep_apart == "always")


def _tiles_against(names: Sequence[np.ndarray], tiles: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For every row in how many `tiles` there is a row of the same name that `counts`; int64."""
    _, group = np.unique(np.stack(names, axis=1).astype(np.int64), axis=0, return_inverse=True)
    group = group.reshape(-1)
    once = np.unique(np.stack([group[counts], tiles[counts]], axis=1), axis=0)
    return np.bincount(once[:, 0], minlength=len(group))[group]


def _pairs_in_one_piece(kept: np.ndarray, joined: np.ndarray, min_voxels: int) -> set[tuple[int, int, int]]:
    """(id in `joined`, two ids in `kept`, ascending) of which one piece of the former has enough of both."""
    if not joined.size:
        return set()
    pieces = cc3d.connected_components(joined, connectivity=26)
    both = (pieces != 0) & (kept != 0)
    packed = pieces[both].astype(np.uint64) << np.uint64(32) | kept[both]
    found, shared = fastremap.unique(packed, return_counts=True)
    found = found[shared >= min_voxels]
    joint_of = np.zeros(int(pieces.max()) + 1, np.uint32)
    joint_of[pieces] = joined
    ids: dict[int, list[int]] = {}
    for piece, own in zip((found >> np.uint64(32)).tolist(), found.astype(np.uint32).tolist()):
        ids.setdefault(piece, []).append(own)
    return {(int(joint_of[piece]), *two) for piece, of in ids.items() for two in combinations(of, 2)}


def _meetings(
    labels: np.ndarray, mask: np.ndarray, ids: Sequence[int]
) -> dict[tuple[int, int], tuple[int, Triple]]:
    """Of every two of some ids, ascending: the voxels in `mask` of the smaller one, and the one of these that
    is nearest to the other's.

    A segment that has leaked holds hundreds of them: each is measured from once, not once for every pair.
    """
    around = _hull(mask & np.isin(labels, ids))
    here = np.where(mask[around.slices()], labels[around.slices()], 0)
    places = {i: np.flatnonzero(here == i) for i in ids}
    by_size = sorted(ids, key=lambda i: len(places[i]))
    found = {}
    for count, larger in enumerate(by_size[1:], 1):
        distance = edt.edt(here != larger, black_border=False, parallel=1).ravel()
        for smaller in by_size[:count]:
            at = places[smaller]
            nearest = np.unravel_index(int(at[distance[at].argmin()]), here.shape)
            point = triple([int(n) + o for n, o in zip(nearest, around.start)])
            found[min(smaller, larger), max(smaller, larger)] = len(at), point
    return found


def _hull(mask: np.ndarray) -> Box:
    """The smallest box that holds all that is true, of which there is some."""
    along = [
        np.flatnonzero(mask.any(tuple(other for other in range(3) if other != axis))) for axis in range(3)
    ]
    return Box(triple([int(n[0]) for n in along]), triple([int(n[-1]) + 1 for n in along]))
