"""Where a graph of tile segments is cut so that two of them fall apart."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

MOST_FLOW = 2**30 - 2
"""SciPy's flows have 32 bits, what is left of an edge can be twice its weight, and an edge that no cut takes
weighs one more than the flow."""


def side_of(
    nodes: int, a: np.ndarray, b: np.ndarray, weight: np.ndarray, source: int, sink: int
) -> np.ndarray:
    """Which nodes fall to `source` when it is parted from `sink` by the cheapest cut: a bool array.

    The edges a-b that are cut have together the least weight, a whole number above 0; of several such cuts it
    is the one that leaves `source` the fewest nodes. Nodes that are connected with neither fall to `sink`.
    Where all edges of either end weigh more than 2^30 together, weights are rounded up to a coarser step.
    """
    both = coo_array(
        (np.concatenate([weight, weight]), (np.concatenate([a, b]), np.concatenate([b, a]))), (nodes, nodes)
    )
    capacity = csr_array(both, dtype=np.int64)
    capacity.sum_duplicates()
    # rounded up, the edges of an end weigh together at most one step more for each
    step = _at_an_end(capacity, source, sink) // (MOST_FLOW - capacity.nnz) + 1
    capacity.data = -(-capacity.data // step)
    capacity.data = np.minimum(capacity.data, _at_an_end(capacity, source, sink) + 1)  # no cut takes heavier
    capacity = capacity.astype(np.int32)
    left = capacity - maximum_flow(capacity, source, sink).flow
    left.eliminate_zeros()
    side = np.zeros(nodes, bool)
    side[breadth_first_order(left, source, return_predecessors=False)] = True
    return side


def _at_an_end(capacity: csr_array, source: int, sink: int) -> int:
    """What all edges of the lighter end weigh together: no cheapest cut weighs more."""
    return min(int(capacity[[node]].sum()) for node in (source, sink))
