"""The cheapest cut, against all cuts that there are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.reconciliation.mincut import MOST_FLOW, side_of

NODES = 6
EDGE = st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1), st.integers(1, 9)).filter(
    lambda edge: edge[0] != edge[1]
)


def cheapest(edges: list[tuple[int, int, int]], source: int, sink: int) -> set[int]:
    """Of all sides of `source` the smallest of those that the least weight leaves."""
    others = [node for node in range(NODES) if node not in (source, sink)]
    sides = [{source, *some} for n in range(len(others) + 1) for some in combinations(others, n)]
    return min(sides, key=lambda side: (sum(w for a, b, w in edges if (a in side) != (b in side)), len(side)))


# the edge that no cut takes must not be rounded to the weight of the one that is cut
@example([(0, 2, 9), (1, 2, 8)], 2**28)
@given(edges=st.lists(EDGE, max_size=14), scale=st.sampled_from([1, 2**28]))
def test_no_cut_is_cheaper_and_none_as_cheap_leaves_the_source_less(
    edges: list[tuple[int, int, int]], scale: int
) -> None:
    a, b, weight = (np.array(column, np.int64) for column in zip(*edges)) if edges else [np.zeros(0, int)] * 3
    side = side_of(NODES, a, b, weight * scale, 0, 1)
    expected = cheapest(edges, 0, 1)
    if scale == 1:
        assert set(np.flatnonzero(side)) == expected
    else:  # rounded where all edges of an end weigh more than 2^31: then about as cheap
        assert side[0]
        assert not side[1]
        cost = sum(w for x, y, w in edges if side[x] != side[y])
        assert cost == sum(w for x, y, w in edges if (x in expected) != (y in expected))


@pytest.mark.parametrize("over", range(-3, 4))
def test_weights_at_the_most_that_a_flow_may_be_do_not_overflow(over: int) -> None:
    """One edge that no cut takes, and a sink whose own are each rounded up."""
    a, b = np.array([0, 2, 2, 3]), np.array([2, 1, 3, 1])
    weight = np.array([2**40, MOST_FLOW + over, 2**40, MOST_FLOW])
    assert np.flatnonzero(side_of(4, a, b, weight, 0, 1)).tolist() == [0, 2, 3]
