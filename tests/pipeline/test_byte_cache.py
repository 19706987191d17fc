"""A cache of arrays reads no more often than it must, and holds no more than it may."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.byte_cache import ByteCache


@given(
    st.lists(st.integers(0, 9), max_size=40),
    st.lists(st.integers(0, 60), min_size=10, max_size=10),
    st.integers(1, 200),
    st.integers(1, 3),
)
def test_the_last_arrays_are_kept_within_the_bytes_or_the_least_number(
    asked: list[int], sizes: list[int], most_bytes: int, least: int
) -> None:
    cache = ByteCache[int](most_bytes, least)
    read: list[int] = []

    def array(key: int) -> np.ndarray:
        read.append(key)
        others = cache.nbytes
        assert others < most_bytes or len(cache) < least, "there is room for one more, or too few are kept"
        return np.full(sizes[key], key, np.uint8)

    for key in asked:
        found = cache.get(key, lambda key=key: array(key))  # type: ignore[misc]
        assert found.tolist() == [key] * sizes[key]
        assert cache.nbytes <= most_bytes or len(cache) <= least
        before = len(read)
        cache.get(key, lambda key=key: array(key))  # type: ignore[misc]
        assert len(read) == before, "the last one is kept"
    if sum(sizes) < most_bytes:
        assert len(read) == len(set(read))
