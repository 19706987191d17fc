"""What counts as evidence, against counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.reconciliation import overlap_evidence

BLOCK = arrays(np.uint32, (3, 4, 5), elements=st.sampled_from([0, 1, 2, 7, 2**32 - 1]))


@settings(deadline=None)
@given(BLOCK, BLOCK)
def test_every_pair_that_meets_is_counted(a: np.ndarray, b: np.ndarray) -> None:
    met = [(i, j) for i, j in zip(a.ravel().tolist(), b.ravel().tolist()) if i and j]
    table = overlap_evidence(a, b)
    pairs = list(zip(table.a.tolist(), table.b.tolist()))
    assert pairs == sorted(set(met))
    assert table.shared.tolist() == [Counter(met)[pair] for pair in pairs]
    assert table.size_a.tolist() == [sum(i == pair[0] for i, _ in met) for pair in pairs]
    assert table.size_b.tolist() == [sum(j == pair[1] for _, j in met) for pair in pairs]


def test_an_overlap_without_segments_gives_an_empty_table() -> None:
    assert len(overlap_evidence(*np.zeros((2, 0, 4, 4), np.uint32))) == 0
    assert len(overlap_evidence(np.ones((2, 2, 2), np.uint32), np.zeros((2, 2, 2), np.uint32))) == 0


def test_blocks_over_different_boxes_are_refused() -> None:
    with pytest.raises(ValueError, match="do not cover the same box"):
        overlap_evidence(np.ones((2, 2, 2), np.uint32), np.ones((2, 2, 3), np.uint32))
