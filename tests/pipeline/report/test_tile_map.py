"""Maps of tiles: every tile is in one square, and a square is as bad as its worst tile."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry import Box
from pipeline.report.tiles import MOST_CELLS, STATES, tile_map
from pipeline.tile_grid import TileGrid


def row(name: str, state: str, seconds: float) -> dict[str, Any]:
    return {"name": name, "state": state, "seconds": seconds, "calls": round(10 * seconds), "segments": 1}


@given(st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40)), st.integers(0, 2**32))
def test_every_tile_is_in_one_square_and_squares_are_few(tiles: tuple[int, int, int], seed: int) -> None:
    grid = TileGrid(Box.of_shape((10 * tiles[0], 10 * tiles[1], 10 * tiles[2])), (10, 10, 10), (0, 0, 0))
    states = [STATES[(seed + 7 * i) % len(STATES)] for i in range(len(grid))]
    found = tile_map(grid, [row(t.name, s, 2.0) for t, s in zip(grid, states)])
    squares = found["squares"]
    assert len(squares) <= MOST_CELLS
    assert sum(square["tiles"] for square in squares) == len(grid)
    assert max(STATES.index(square["state"]) for square in squares) == max(map(STATES.index, states))
    assert all(square["seconds"] in (None, 2.0) for square in squares)
    assert all(0 <= square[axis] < n for square in squares for axis, n in zip("zyx", found["shape"]))


def test_a_square_is_where_its_tile_is_and_says_what_it_knows() -> None:
    grid = TileGrid(Box.of_shape((20, 10, 30)), (10, 10, 10), (0, 0, 0))
    rows = [row(tile.name, "finished", 1.0 + tile.index) for tile in grid]
    rows[5] |= {"state": "failed"}
    squares = {(s["z"], s["y"], s["x"]): s for s in tile_map(grid, rows)["squares"]}
    assert squares[0, 0, 2]["seconds"] == 3.0
    assert squares[0, 0, 2]["says"] == "z000000_y000000_x000020: finished, 3 s, 30 calls, 1 segments"
    assert squares[1, 0, 2]["says"] == "z000010_y000000_x000020: failed"
