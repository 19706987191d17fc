"""Lines lose their loops, and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.reconciliation.shapes.loops import without_loops


def ring(count: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    nodes = 10 * np.stack([np.cos(turn), np.sin(turn), np.zeros(count)], axis=1)
    return nodes, [(i, (i + 1) % count) for i in range(count)]


def parts(nodes: int, edges: np.ndarray) -> int:
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(nodes, nodes))
    return int(connected_components(graph, directed=False)[0])


def test_a_loop_is_cut_where_it_is_thinnest_and_keeps_all_else() -> None:
    nodes, edges = ring(12)
    radii = np.full(12, 5.0)
    radii[7] = 1.0
    left = without_loops(nodes, np.array(edges), radii)
    assert {tuple(edge) for edge in left.tolist()} == {tuple(sorted(edge)) for edge in edges} - {(7, 8)}
    with_tail = np.array([*edges, (0, 12), (12, 13)])
    left = without_loops(np.vstack([nodes, [[20, 0, 0], [30, 0, 0]]]), with_tail, np.append(radii, [5, 5]))
    assert len(left) == len(with_tail) - 1


def test_of_a_doubled_line_the_shorter_side_goes() -> None:
    """0-1-2-3 is the way on; 1 and 2 are joined by 4 too, which lies nearly between them, and by 5 and 6."""
    nodes = np.array(
        [[0, 0, 0], [10, 0, 0], [20, 0, 0], [30, 0, 0], [15, 1, 0], [11, 9, 0], [19, 9, 0]], float
    )
    longer = [(1, 5), (5, 6), (6, 2)]
    for thin in (4, 5):
        radii = np.full(7, 5.0)
        radii[thin] = 1.0
        edges = np.array([(0, 1), (2, 3), (1, 4), (4, 2), *longer])
        left = without_loops(nodes, edges, radii)
        assert {tuple(edge) for edge in left.tolist()} == {(0, 1), (2, 3), (1, 5), (5, 6), (2, 6)}


@given(st.data())
def test_what_hung_together_still_does_but_for_nodes_of_doubled_lines(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 14))
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda e: e[0] != e[1])
    edges = np.array(data.draw(st.lists(ends, min_size=1, max_size=30)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    left = without_loops(rng.random((count, 3)), edges, rng.random(count))
    kept, before = np.unique(left), np.unique(edges)
    assert parts(count, left) == count - len(left), "there are no loops"
    assert np.isin(left, before).all()
    lone = count - len(kept)
    assert parts(count, left) - lone == parts(count, edges) - (count - len(before))
