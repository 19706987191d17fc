"""The laws of the grid of tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry import Box, Tile, Triple, triple
from pipeline.tile_grid import TileGrid
from tests.pipeline.test_geometry import any_case, boxes, count, triples


@st.composite
def grids(draw: st.DrawFn) -> TileGrid:
    """Grids of up to 5 tiles an axis, with overlaps from none to all but one voxel."""
    tile = draw(triples(1, 9))
    overlap = triple([draw(st.integers(0, t - 1)) for t in tile])
    shape = triple([draw(st.integers(1, t + 4 * (t - o))) for t, o in zip(tile, overlap)])
    return TileGrid(Box.of_shape(shape, draw(triples(-9, 9))), tile, overlap)


@any_case
@given(grids())
def test_tiles_cover_the_box_and_cores_partition_it(grid: TileGrid) -> None:
    tiles = list(grid)
    assert (count([t.box for t in tiles], grid.box) >= 1).all()
    assert (count([t.core for t in tiles], grid.box) == 1).all()
    assert sum(t.core.size for t in tiles) == grid.box.size
    assert all(grid.box.contains(t.box) and t.box.contains(t.core) and not t.core.is_empty for t in tiles)
    assert grid.tiled_voxels == sum(t.box.size for t in tiles)


@any_case
@given(grids())
def test_tiles_are_as_large_as_asked_and_overlap_at_least_as_asked(grid: TileGrid) -> None:
    expected = triple([min(t, n) for t, n in zip(grid.tile_shape, grid.box.shape)])
    _, ny, nx = grid.shape
    tiles = list(grid)
    assert all(t.box.shape == expected for t in tiles)
    for axis, step in enumerate((ny * nx, nx, 1)):
        for tile in tiles:
            if tile.index // step % grid.shape[axis] + 1 < grid.shape[axis]:
                shared = tile.box & tiles[tile.index + step].box
                assert shared.shape[axis] >= grid.overlap[axis]


@any_case
@given(grids())
def test_a_core_is_where_its_tile_is_the_nearest_by_its_centre(grid: TileGrid) -> None:
    """So no voxel of a core lies closer to its tile's border than it does in another tile."""

    def distance(tile: Tile, voxel: Triple) -> int:
        middles = (a + b for a, b in zip(tile.box.start, tile.box.stop))
        return sum(abs(2 * v + 1 - m) for v, m in zip(voxel, middles))

    tiles = list(grid)
    for tile in tiles:
        for voxel in (tile.core.start, triple([b - 1 for b in tile.core.stop])):
            holders = [t for t in tiles if t.box.contains(Box.of_shape((1, 1, 1), voxel))]
            assert distance(tile, voxel) == min(distance(t, voxel) for t in holders)


@any_case
@given(grids())
def test_tiles_are_numbered_in_order_and_named_apart(grid: TileGrid) -> None:
    tiles = list(grid)
    assert [t.index for t in tiles] == list(range(len(grid)))
    assert [t.box.start for t in tiles] == sorted(t.box.start for t in tiles)
    assert len({t.name for t in tiles}) == len(tiles)


@any_case
@given(grids(), boxes(least=0))
def test_tiles_intersecting_a_box_are_those_that_share_voxels_with_it(grid: TileGrid, box: Box) -> None:
    assert grid.intersecting(box) == [t for t in grid if not (t.box & box).is_empty]


@any_case
@given(grids(), boxes(least=0))
def test_tiles_with_cores_in_a_box_are_those_whose_cores_share_voxels_with_it(
    grid: TileGrid, box: Box
) -> None:
    assert list(grid.with_cores_in(box)) == [tile for tile in grid if not (tile.core & box).is_empty]


@any_case
@given(grids())
def test_pairs_are_exactly_the_tiles_that_share_voxels(grid: TileGrid) -> None:
    tiles = list(grid)
    expected = [(a, b) for a in tiles for b in tiles if a.index < b.index and not (a.box & b.box).is_empty]
    assert grid.pairs() == expected
    for tile in tiles:
        assert grid.neighbours(tile) == [b for b in tiles if b != tile and not (b.box & tile.box).is_empty]


@pytest.mark.parametrize("overlap", [(0, 0, 8), (0, -1, 0)])
def test_an_overlap_that_leaves_nothing_of_the_tile_is_refused(overlap: Triple) -> None:
    with pytest.raises(ValueError, match="must be at least 0 and less than the tile's 8"):
        TileGrid(Box.of_shape((20, 20, 20)), (8, 8, 8), overlap)


def test_an_empty_box_has_no_grid() -> None:
    with pytest.raises(ValueError, match="nothing to tile"):
        TileGrid(Box((0, 0, 0), (0, 5, 5)), (3, 3, 3), (1, 1, 1))
