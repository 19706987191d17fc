"""The merge as it is without groups: all evidence at once, and every join in one graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.apart import joins_to_keep
from pipeline.config import Reconciliation
from pipeline.reconciliation import IdTable
from pipeline.reconciliation.clashes import concatenate_clashes, stays_apart
from pipeline.reconciliation.evidence import TileEvidence
from pipeline.reconciliation.joining import joins
from pipeline.reconciliation.overlap import concatenate


def packed(tile: np.ndarray, local_id: np.ndarray) -> np.ndarray:
    """One uint64 for a segment: sorted as (tile, local id) are."""
    return tile.astype(np.uint64) << np.uint64(32) | local_id.astype(np.uint64)


def merge_whole(evidence: Sequence[TileEvidence], settings: Reconciliation) -> IdTable:
    """The id table of all tiles, in order of index."""
    counts = [len(e.ids) for e in evidence]
    local_ids = np.concatenate([np.zeros(0, np.uint32), *(e.ids for e in evidence)])
    tile_of_node = np.repeat(np.arange(len(evidence)), counts)
    nodes = packed(tile_of_node, local_ids)

    overlaps = concatenate([e.overlaps for e in evidence])
    tile_a = np.repeat([e.tile for e in evidence], [len(e.overlaps) for e in evidence])
    tile_b = np.concatenate([np.zeros(0, np.int64), *(e.neighbour for e in evidence)])
    joined = joins(overlaps, settings)
    a = np.searchsorted(nodes, packed(tile_a[joined], overlaps.a[joined]))
    b = np.searchsorted(nodes, packed(tile_b[joined], overlaps.b[joined]))
    clashes = concatenate_clashes([e.clashes for e in evidence])
    two = [np.searchsorted(nodes, packed(clashes.keeper, ids)) for ids in (clashes.first, clashes.second)]
    apart = np.stack(two, axis=1)[stays_apart(clashes, settings)]
    return IdTable(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        local_ids=local_ids,
        global_ids=_object_numbers(len(nodes), a, b, overlaps.shared[joined], apart),
    )


def _object_numbers(
    nodes: int, a: np.ndarray, b: np.ndarray, shared: np.ndarray, apart: np.ndarray
) -> np.ndarray:
    number = _component_numbers(nodes, a, b)
    first, second = number[apart].T
    torn = np.isin(number[a], first[first == second])
    if not torn.any():
        return number
    made = np.ones(len(a), bool)
    made[torn] = joins_to_keep(a[torn], b[torn], shared[torn], apart[first == second])
    return _component_numbers(nodes, a[made], b[made])


def _component_numbers(nodes: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Numbered from 1 by their first nodes."""
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(nodes, nodes))
    count, component = connected_components(graph, directed=False)
    first = np.full(count, nodes)
    np.minimum.at(first, component, np.arange(nodes))
    number = np.empty(count, np.uint64)
    number[np.argsort(first)] = np.arange(1, count + 1)
    return number[component]
