"""What the merge promises: a known segmentation cut into tiles comes back, whatever the tiles."""

from __future__ import annotations

from random import Random

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import evidence_of, ids_of, merge_segments, part
from tiled_volume import cut, relabelled_equally

from pipeline.config import Reconciliation
from pipeline.errors import InputError
from pipeline.geometry import Box, triple
from pipeline.reconciliation import IdTable, OverlapTable
from pipeline.reconciliation.joining import joins
from pipeline.tile_grid import TileGrid

ANY_TOUCH = Reconciliation(min_overlap_voxels=1)


any_case = settings(deadline=None)


@st.composite
def grids(draw: st.DrawFn) -> TileGrid:
    """Grids of up to 4 tiles an axis of 2 to 8 voxels, overlaps from 1 voxel to all but one."""
    tile = [draw(st.integers(2, 8)) for _ in range(3)]
    overlap = [draw(st.integers(1, t - 1)) for t in tile]
    shape = [draw(st.integers(1, t + 3 * (t - o))) for t, o in zip(tile, overlap)]
    start = [draw(st.integers(-9, 9)) for _ in range(3)]
    return TileGrid(Box.of_shape(triple(shape), triple(start)), triple(tile), triple(overlap))


def put_together(grid: TileGrid, labels: dict[int, np.ndarray], ids: IdTable) -> np.ndarray:
    """Every core in its place, under global ids."""
    volume = np.zeros(grid.box.shape, np.uint64)
    for tile in grid:
        volume[tile.core.slices(grid.box.start)] = ids_of(ids, tile.index).to_global(
            part(tile, tile.core, labels)
        )
    return volume


def random_labels(shape: tuple[int, ...], seed: int, ids: int) -> np.ndarray:
    """Thick random labels, a good part of them 0, most in several pieces."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, ids + 1, [n // 2 + 1 for n in shape])
    thick = coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    return thick[tuple(slice(n) for n in shape)].astype(np.uint32)


@any_case
@given(grids(), st.integers(0, 2**32), st.integers(1, 9))
def test_segments_of_one_piece_come_back_whatever_the_tiles(grid: TileGrid, seed: int, ids: int) -> None:
    truth = cc3d.connected_components(random_labels(grid.box.shape, seed, ids), connectivity=26)
    labels = {t.index: cut(truth, grid.box, t, seed) for t in grid}
    merged = merge_segments(evidence_of(grid, labels, ANY_TOUCH), ANY_TOUCH)
    assert relabelled_equally(put_together(grid, labels, merged), truth)


@any_case
@given(grids(), st.integers(0, 2**32), st.integers(1, 9))
def test_pieces_of_a_segment_are_joined_only_by_a_tile_that_sees_both(
    grid: TileGrid, seed: int, ids: int
) -> None:
    """A scattered label comes back in the pieces that no tile sees together, found by brute force."""
    truth = random_labels(grid.box.shape, seed, ids)
    pieces = cc3d.connected_components(truth, connectivity=26)
    labels = {t.index: cut(truth, grid.box, t, seed) for t in grid}
    result = put_together(grid, labels, merge_segments(evidence_of(grid, labels, ANY_TOUCH), ANY_TOUCH))

    group = {int(p): {int(p)} for p in np.unique(pieces)}
    for tile in grid:
        here = tile.box.slices(grid.box.start)
        for label in np.unique(truth[here]):
            together = [int(p) for p in np.unique(pieces[here][truth[here] == label])]
            union = set().union(*(group[p] for p in together))
            group.update(dict.fromkeys(union, union))
    expected = np.vectorize(lambda p: min(group[p]))(pieces)
    assert relabelled_equally(result, np.where(truth == 0, 0, expected))


def test_without_overlap_every_tile_keeps_its_segments_apart() -> None:
    grid = TileGrid(Box.of_shape((4, 9, 4)), (2, 3, 4), (0, 0, 0))
    labels = {t.index: np.ones(t.box.shape, np.uint32) for t in grid}
    ids = merge_segments(evidence_of(grid, labels, ANY_TOUCH), ANY_TOUCH)
    assert ids.global_ids.tolist() == [1, 2, 3, 4, 5, 6]


@any_case
@given(grids(), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_ids_do_not_depend_on_the_order_of_the_evidence(grid: TileGrid, seed: int, random: Random) -> None:
    truth = random_labels(grid.box.shape, seed, 6)
    labels = {t.index: cut(truth, grid.box, t, seed) for t in grid}
    evidence = evidence_of(grid, labels, ANY_TOUCH)
    expected = merge_segments(evidence, ANY_TOUCH)
    random.shuffle(evidence)
    shuffled = merge_segments(evidence, ANY_TOUCH)
    np.testing.assert_array_equal(shuffled.global_ids, expected.global_ids)
    np.testing.assert_array_equal(shuffled.local_ids, expected.local_ids)
    # numbered by first appearance, without gaps
    _, first = np.unique(expected.global_ids, return_index=True)
    assert (np.diff(first) > 0).all()
    assert len(first) == expected.global_ids.max(initial=0)


@pytest.mark.parametrize(
    ("shared", "size_a", "size_b", "joined"),
    [
        (1000, 1000, 1000, True),
        (99, 99, 99, False),  # too few voxels to tell
        (700, 1000, 1000, True),
        (450, 1000, 1000, False),  # less than half of either
        (400, 400, 1000, True),  # a piece of a segment that one tile has split
        (200, 200, 1000, False),  # as much the smaller part of a false merger
        (200, 1000, 200, False),
    ],
)
def test_segments_are_one_when_they_share_enough_of_both(
    shared: int, size_a: int, size_b: int, joined: bool
) -> None:
    row = (np.array([n]) for n in (1, 1, shared, size_a, size_b))
    settings = Reconciliation(min_overlap_voxels=100, min_overlap_fraction=0.5, min_larger_fraction=0.3)
    assert joins(OverlapTable(*row), settings).tolist() == [joined]


def test_a_false_merger_in_one_tile_does_not_spread_to_the_others() -> None:
    """Two fibres run through three tiles; the middle one has merged them over the first overlap's edge."""
    grid = TileGrid(Box.of_shape((20, 20, 60)), (20, 20, 30), (0, 0, 15))
    truth = np.ones(grid.box.shape, np.uint32)
    truth[:, 16:] = 2
    labels = {t.index: cut(truth, grid.box, t, seed=3) for t in grid}
    labels[1][:] = 1
    ids = merge_segments(evidence_of(grid, labels, Reconciliation()), Reconciliation())
    first, last = (ids_of(ids, i).to_global(labels[i]) for i in (0, 2))
    assert first[0, 0, 0] == last[0, 0, 0]
    assert first[0, 0, 0] not in (first[0, 19, 0], last[0, 19, 0])


def test_evidence_that_is_missing_a_tile_is_refused() -> None:
    grid = TileGrid(Box.of_shape((4, 4, 9)), (4, 4, 4), (0, 0, 1))
    evidence = evidence_of(grid, {t.index: np.ones(t.box.shape, np.uint32) for t in grid}, ANY_TOUCH)
    with pytest.raises(InputError, match=r"tiles \[0, 2\]; expected each tile once"):
        merge_segments([evidence[2], evidence[0]], ANY_TOUCH)
