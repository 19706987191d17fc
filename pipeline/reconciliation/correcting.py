"""What joins and cuts that a person made do to the ids of tile segments: rows of an id table, no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pipeline.errors import InputError
from pipeline.reconciliation.components import first_connected
from pipeline.reconciliation.mincut import side_of
from pipeline.settings.corrections import Correction


class Became(IntEnum):
    """What became of a correction; the numbers are stored."""

    JOINED = 0
    CUT = 1
    ONE_ALREADY = 2
    APART_ALREADY = 3
    OUTSIDE = 4
    """A point is not in what is segmented."""
    BLANK = 5
    """A point is on a voxel of no segment."""
    ONE_TILE_SEGMENT = 6
    """Both points of a cut lie in one segment of one tile: only segmenting it anew could part them."""

    @property
    def is_made(self) -> bool:
        """Whether the ids are now as the correction wants them."""
        return self <= Became.APART_ALREADY


@dataclass(frozen=True)
class Joins:
    """Joins that the merge has made, by overlap: rows, int64, and the voxels that they share."""

    a: np.ndarray
    b: np.ndarray
    shared: np.ndarray


def corrected_ids(
    ids: np.ndarray, joins: Joins, corrections: Sequence[Correction], rows: np.ndarray
) -> tuple[np.ndarray, list[Became]]:
    """The ids, uint64, of all rows after the corrections, and what became of each of these.

    `ids` are those of the merge, `joins` all that it has made among segments that corrections are about;
    `rows`, (n, 2) int64, are those on which the points of the n corrections lie. Rows that a person joins are
    one and never parted. Then each cut, in their order, parts what still connects its two points: those
    joins go which together share the fewest voxels (`side_of`). An object keeps its id where its
    first row is; what is joined has the smallest; a piece that the nth cut parts from it has the largest plus
    n, so that other cuts, and lines after it, leave its id alone. Raises InputError where joins connect the
    two points of a cut.
    """
    from scipy.cluster.hierarchy import DisjointSet  # takes a third of a second to import

    named = np.isin(ids, ids[rows])
    at = np.flatnonzero(named)
    place = np.cumsum(named) - 1  # of a row in `at`
    inside = named[joins.a] & named[joins.b]
    a, b, shared = place[joins.a[inside]], place[joins.b[inside]], joins.shared[inside]
    ends = place[rows]
    linked = np.array([c.kind == "join" for c in corrections], bool)
    link = first_connected(len(at), *ends[linked].T)
    _refuse_contradictions(corrections, ends, link)
    a, b, two = link[a], link[b], link[ends]
    became, kept = [], a != b
    a, b, shared = a[kept], b[kept], shared[kept]
    cut_off: dict[int, int] = {}  # the first place of a piece, and by which of the cuts it became one
    cuts = 0
    joined = DisjointSet(np.unique(rows).tolist())  # by the joins so far
    for correction, (row, other), (one, another) in zip(corrections, rows, two):
        if correction.kind == "join":
            is_new = joined.merge(int(row), int(other)) and ids[row] != ids[other]
            became.append(Became.JOINED if is_new else Became.ONE_ALREADY)
            continue
        cuts += 1
        if row == other:
            became.append(Became.ONE_TILE_SEGMENT)
        else:
            keep = _parting(len(at), a, b, shared, one, another)
            became.append(Became.APART_ALREADY if keep.all() else Became.CUT)
            a, b, shared = a[keep], b[keep], shared[keep]
            if not keep.all():  # both sides are in one piece, as those of every cheapest cut
                first = first_connected(len(at), a, b)
                cut_off.setdefault(int(max(first[one], first[another])), cuts)
    first = first_connected(len(at), np.concatenate([a, link]), np.concatenate([b, np.arange(len(at))]))
    new = ids.copy()
    largest = int(ids.max(initial=0))
    new[at] = _named(ids[at], first, {piece: largest + cut for piece, cut in cut_off.items()})
    return new, became


def _parting(
    nodes: int, a: np.ndarray, b: np.ndarray, shared: np.ndarray, one: int, other: int
) -> np.ndarray:
    """Which edges a-b stay so that two nodes fall apart: all where they are apart."""
    first = first_connected(nodes, a, b)
    if first[one] != first[other]:
        return np.ones(len(a), bool)
    here = first[a] == first[one]
    members, index = np.unique(np.concatenate([a[here], b[here], [one, other]]), return_inverse=True)
    count = int(here.sum())
    side = side_of(len(members), index[:count], index[count:-2], shared[here], index[-2], index[-1])
    keep = np.ones(len(a), bool)
    keep[here] = side[index[:count]] == side[index[count:-2]]
    return keep


def _named(ids: np.ndarray, first: np.ndarray, cut_off: Mapping[int, int]) -> np.ndarray:
    """Ids of rows of which the components' first rows are known, as `corrected_ids` says.

    `cut_off` has the new ids of components, by their first rows, and may have more.
    """
    _, owner = np.unique(ids, return_index=True)  # of each id its first row
    smallest = np.full(len(ids), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, first[owner], ids[owner])
    roots = np.unique(first)
    for root in roots[smallest[roots] == np.iinfo(np.uint64).max].tolist():
        smallest[root] = cut_off[root]
    return smallest[first]


class ContradictionError(InputError):
    """Corrections that cannot all be made, whatever is done to the tiles."""


def _refuse_contradictions(corrections: Sequence[Correction], ends: np.ndarray, link: np.ndarray) -> None:
    """Raise ContradictionError where joins connect what a cut wants apart.

    One segment of a tile is no such case.
    """
    for correction, (one, other) in zip(corrections, ends):
        if correction.kind == "cut" and one != other and link[one] == link[other]:
            joins = [c for c, end in zip(corrections, ends) if c.kind == "join" and link[end[0]] == link[one]]
            said = "; ".join(map(str, joins[:3])) + (f" and {len(joins) - 3} more" if joins[3:] else "")
            raise ContradictionError(
                f"corrections contradict each other: {correction}, but joins make the two one ({said}): "
                "remove one of them from the file that reconciliation.corrections names"
            )
