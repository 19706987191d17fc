"""Split consensus, against the definition voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.consensus import split_consensus

BLOCK = arrays(np.uint32, (3, 4, 5), elements=st.sampled_from([0, 1, 2, 7, 2**32 - 1]))


def by_definition(segmentations: list[np.ndarray], min_voxels: int) -> list[frozenset[tuple[int, ...]]]:
    """The pieces as sets of voxels, in the order of their first: flooded one by one."""
    kind = {v: tuple(int(s[v]) for s in segmentations) for v in np.ndindex(*segmentations[0].shape)}
    left = [v for v in kind if kind[v][0]]
    pieces = []
    while left:
        piece, edge = {left[0]}, [left[0]]
        while edge:
            here = edge.pop()
            near = [v for v in left if max(abs(a - b) for a, b in zip(v, here)) == 1]
            new = [v for v in near if kind[v] == kind[here] and v not in piece]
            piece.update(new)
            edge += new
        left = [v for v in left if v not in piece]
        if len(piece) >= min_voxels:
            pieces.append(frozenset(piece))
    return pieces


@settings(deadline=None)
@given(st.lists(BLOCK, min_size=2, max_size=3), st.integers(1, 5))
def test_pieces_are_those_of_the_definition(segmentations: list[np.ndarray], min_voxels: int) -> None:
    found = split_consensus(segmentations, min_voxels)
    assert found.dtype == np.uint32
    expected = by_definition(segmentations, min_voxels)
    assert [
        frozenset(map(tuple, np.argwhere(found == i + 1).tolist())) for i in range(len(expected))
    ] == expected
    assert found.max() == len(expected)


def test_no_piece_joins_what_one_segmentation_keeps_apart_and_each_merger_is_undone() -> None:
    truth = np.repeat(np.array([1, 2, 3], np.uint32), 4).reshape(1, 1, 12)
    one, other = (np.where(truth == merged, 2, truth) for merged in (1, 3))
    np.testing.assert_array_equal(split_consensus([one, other], 1), truth)


@pytest.mark.parametrize(("first", "second", "agreed"), [([1, 1, 0], [5, 0, 5], [1, 2, 0])])
def test_what_the_first_leaves_blank_is_blank_and_what_another_does_is_a_piece(
    first: list[int], second: list[int], agreed: list[int]
) -> None:
    blocks = [np.array(row, np.uint32).reshape(1, 1, 3) for row in (first, second)]
    assert split_consensus(blocks, 1).ravel().tolist() == agreed
