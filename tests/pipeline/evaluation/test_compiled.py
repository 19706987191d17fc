"""The compiled code counts and fills as NumPy and scipy do, to the last bit, whatever the arrays."""

from __future__ import annotations

import ctypes
import logging

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.evaluation import BoxCounts, compiled
from pipeline.evaluation.filling import fill

DTYPES = [np.dtype(f"{order}{kind}{size}") for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]


@pytest.fixture(scope="module")
def code() -> ctypes.CDLL:
    found = compiled.library()
    if found is None:
        pytest.skip("compiled.c was not compiled here")
    return found


def arrays(
    draw: st.DrawFn, shape: tuple[int, ...], dtype: np.dtype, turned: tuple[int, ...], kept: slice
) -> np.ndarray:
    """Few ids, the extremes among them, in an array of odd strides."""
    limits = np.iinfo(dtype)
    ids = st.sampled_from([0, 0, 1, 2, int(limits.min), int(limits.max)])
    stored = [2 * shape[turned.index(axis)] for axis in range(3)]
    array = draw(hnp.arrays(dtype, tuple(stored), elements=ids))
    return array.transpose(turned)[kept, kept, kept]


@st.composite
def blocks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Truth, segmentation, filled and what counts, of one shape, which may be empty."""
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=5))
    of = st.tuples(st.sampled_from(DTYPES), st.permutations(range(3)), st.sampled_from([1, -1]))
    dtype, turned, way = draw(of)
    truth = arrays(draw, shape, dtype, tuple(turned), slice(None, None, 2 * way))
    dtype, turned, way = draw(of)
    segments = arrays(draw, shape, dtype, tuple(turned), slice(None, None, 2 * way))
    other = arrays(draw, shape, dtype, tuple(turned), slice(None, None, 2))
    counted = draw(st.none() | hnp.arrays(bool, shape))
    return truth, segments, np.where(segments == 0, other, segments), counted


def columns(counts: BoxCounts) -> list[list[int]]:
    tables = counts.as_is, counts.filled
    return [column.tolist() for t in tables for column in (t.truth, t.segmentation, t.voxels)]


@given(block=blocks())
@settings(deadline=None, max_examples=100)
def test_pairs_are_counted_as_numpy_does(code: ctypes.CDLL, block: tuple[np.ndarray, ...]) -> None:
    truth, segments, filled, counted = block
    found = BoxCounts.count(truth, segments, filled, counted)
    assert columns(found) == columns(BoxCounts._count_by_numpy(truth, segments, filled, counted))
    dtypes = {column.dtype for column in (found.as_is.truth, found.filled.segmentation)}
    assert dtypes == {np.dtype(np.uint64)}


def test_very_many_pairs_are_all_there(code: ctypes.CDLL) -> None:
    rng = np.random.default_rng(0)
    truth, segments = rng.integers(0, 2**64, (2, 20, 30, 40), np.uint64, endpoint=False)
    found = BoxCounts.count(truth, segments, segments)
    assert columns(found) == columns(BoxCounts._count_by_numpy(truth, segments, segments, None))
    assert len(found.as_is.voxels) == truth.size


def test_rows_and_lists_of_voxels_count_too_and_other_shapes_do_not(code: ctypes.CDLL) -> None:
    truth, segments = np.random.default_rng(0).integers(0, 3, (2, 50))
    expected = columns(BoxCounts._count_by_numpy(truth, segments, segments, None))
    assert columns(BoxCounts.count(truth, segments, segments)) == expected
    with pytest.raises(ValueError, match="shapes differ"):
        BoxCounts.count(truth, segments[1:], segments)


@st.composite
def sparse(draw: st.DrawFn) -> np.ndarray:
    """Ids of any dtype in few voxels, or in many."""
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=24))
    dtype, seed = draw(st.sampled_from(DTYPES)), draw(st.integers(0, 2**32 - 1))
    rng, share = np.random.default_rng(seed), 10 ** -draw(st.floats(0, 4))
    ids = np.array([1, 2, np.iinfo(dtype).min or 3, np.iinfo(dtype).max], dtype)[rng.integers(0, 4, shape)]
    array = np.where(rng.random(shape) < share, ids, 0).astype(dtype)
    return array.transpose(draw(st.permutations(range(3))))


@given(ids=sparse(), data=st.data())
@settings(deadline=None, max_examples=100)
def test_blanks_are_filled_as_scipy_does(code: ctypes.CDLL, ids: np.ndarray, data: st.DataObject) -> None:
    ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in ids.shape]
    here = tuple(slice(*pair) for pair in ends)
    start, shape = [a for a, _ in ends], [b - a for a, b in ends]
    found = compiled.fill_part(code, ids, start, shape, max(ids.shape))
    np.testing.assert_array_equal(found.ids, fill(ids)[here])
    assert found.ids.dtype == ids.dtype.newbyteorder("=")
    assert ((found.squares == 0) == (ids[here] != 0)).all()
    assert ((found.squares < 0) == (found.ids == 0)).all()


@given(ids=sparse(), reach=st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_what_is_further_than_it_looks_is_told(code: ctypes.CDLL, ids: np.ndarray, reach: int) -> None:
    assume(ids.any())
    exact = compiled.fill_part(code, ids, (0, 0, 0), ids.shape, max(ids.shape))
    found = compiled.fill_part(code, ids, (0, 0, 0), ids.shape, reach)
    within = (found.squares >= 0) & (found.squares <= reach * reach)
    np.testing.assert_array_equal(within, exact.squares <= reach * reach)
    np.testing.assert_array_equal(found.ids[within], exact.ids[within])
    bounds = found.squares[~within]
    assert ((bounds < 0) | (bounds >= exact.squares[~within])).all()
    assert found.further == np.count_nonzero(~within)


def test_distances_are_right_in_the_longest_box_and_no_longer_one_is_taken(code: ctypes.CDLL) -> None:
    ids = np.zeros((3, compiled.MOST_VOXELS_ALONG, compiled.MOST_VOXELS_ALONG), np.uint8)
    ids[0, 0, 0] = 7
    found = compiled.fill_part(code, ids, (0, 0, 0), ids.shape, compiled.MOST_VOXELS_ALONG)
    assert (found.ids == 7).all()
    assert found.squares[2, -1, -1] == 4 + 2 * 511**2
    with pytest.raises(ValueError, match="at most 512"):
        compiled.fill_part(code, np.zeros((1, 1, 513), np.uint8), (0, 0, 0), (1, 1, 513), 1)


def test_where_it_was_not_compiled_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiled, "MODULE", "pipeline.evaluation._nothing")
    compiled.library.cache_clear()
    ids = np.arange(8).reshape(2, 2, 2)
    try:
        with caplog.at_level(logging.WARNING):
            counts = [BoxCounts.count(ids, ids, ids) for _ in range(2)]
    finally:
        compiled.library.cache_clear()
    assert counts[0].as_is.total_voxels == 8
    assert caplog.text.count("compiled.c was not compiled") == 1
