"""Blocks are filled voxel for voxel as the whole volume is by scipy's distance transform, ties too."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.evaluation import compiled, filling
from pipeline.evaluation.filling import fill, fill_block
from pipeline.geometry import Box, triple

START = (3, -4, 50)


@pytest.fixture(params=["compiled", "numpy"], autouse=True, scope="module")
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways of filling."""
    if request.param == "compiled" and compiled.library() is None:
        pytest.skip("compiled.c was not compiled here")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            patch.setattr(compiled, "library", lambda: None)
        yield


def speckled(shape: tuple[int, int, int], seed: int, per_segment_voxel: float) -> np.ndarray:
    """Single voxels of segments with large ids, one in `per_segment_voxel`, all else blank."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 5, shape).astype(np.uint64) + np.uint64(2**63)
    return np.where(rng.random(shape) < 1 / per_segment_voxel, ids, np.uint64(0))


@given(seed=st.integers(0, 2**32 - 1), sparse=st.floats(0, 5))
@example(seed=1, sparse=0.0)
@example(seed=1, sparse=2.0)
@example(seed=2, sparse=4.0)
@settings(deadline=None, max_examples=15)
def test_blocks_are_filled_as_the_whole_is(seed: int, sparse: float) -> None:
    whole = Box.of_shape((28, 36, 31), START)
    ids = speckled(whole.shape, seed, 10**sparse)
    expected = fill(ids)
    for block in whole.parts((28, 19, 14)):
        found, filled = fill_block(lambda box: ids[box.slices(START)].copy(), block, whole)
        here = block.slices(START)
        np.testing.assert_array_equal(found, ids[here])
        np.testing.assert_array_equal(filled, expected[here])


@pytest.mark.parametrize("thickness", [2, 9, 12, 40])
def test_thick_blanks_are_filled_across_the_cut(thickness: int) -> None:
    ids = np.zeros((6, 8, 90), np.uint64)
    ids[..., 30 - thickness // 2 :: 2 * thickness], ids[..., -1] = 5, 7
    whole = Box.of_shape(triple(ids.shape))
    for block in whole.parts((6, 8, 30)):
        _, filled = fill_block(lambda box: ids[box.slices()].copy(), block, whole)
        np.testing.assert_array_equal(filled, fill(ids)[block.slices()])


def test_what_lies_further_than_64_voxels_from_the_block_is_not_looked_at() -> None:
    ids = np.zeros((2, 2, 200), np.uint64)
    ids[..., 199] = 9
    whole, read = Box.of_shape(triple(ids.shape)), []

    def reads(box: Box) -> np.ndarray:
        read.append(box)
        return ids[box.slices()].copy()

    near, far = Box((0, 0, 130), (2, 2, 140)), Box((0, 0, 100), (2, 2, 135))
    assert (fill_block(reads, near, whole)[1] == 9).all()
    assert (fill_block(reads, far, whole)[1] == 0).all()
    assert all((near.grow(filling.HALO) & whole).contains(box) for box in read[:3])
