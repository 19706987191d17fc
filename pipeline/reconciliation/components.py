"""Connected components of segments and their joins."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def first_connected(nodes: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of every node of the graph with edges a-b the first that it is connected with, or itself: int64."""
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(nodes, nodes))
    count, component = connected_components(graph, directed=False)
    first = np.full(count, nodes)
    np.minimum.at(first, component, np.arange(nodes))
    return first[component]


def joined_too(first: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What `first_connected` would have found, had there been the edges a-b too; few of them cost little."""
    ends, index = np.unique(first[np.concatenate([a, b])], return_inverse=True)
    first_of = np.arange(len(first))
    first_of[ends] = ends[first_connected(len(ends), index[: len(a)], index[len(a) :])]
    return first_of[first]


def numbered(first: np.ndarray) -> np.ndarray:
    """What `first_connected` found as numbers of components, uint64: 1, 2, 3 ... by their first nodes."""
    is_first = first == np.arange(len(first))
    return np.cumsum(is_first, dtype=np.uint64)[first]
