"""Maps of tiles: every tile is in one square, and a square is as bad as its worst tile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RunConfig
from pipeline.geometry import Box
from pipeline.report.tiles import MOST_CELLS, STATES, tile_map, tiles
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from pipeline.tile_grid import TileGrid


def row(name: str, state: str, seconds: float) -> dict[str, Any]:
    calls = round(10 * seconds)
    return {
        "name": name,
        "state": state,
        "seconds": seconds,
        "calls": calls,
        "segments": 1,
        "passes": 1,
    }


@given(st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40)), st.integers(0, 2**32))
def test_every_tile_is_in_one_square_and_squares_are_few(along: tuple[int, int, int], seed: int) -> None:
    grid = TileGrid(Box.of_shape((10 * along[0], 10 * along[1], 10 * along[2])), (10, 10, 10), (0, 0, 0))
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
    assert squares[0, 0, 2]["says"] == "z000000_y000000_x000020: finished, 3 s, 30 calls, 1 segment"
    assert squares[1, 0, 2]["says"] == "z000010_y000000_x000020: failed"


def test_rates_of_tiles_that_went_on_from_a_checkpoint_are_those_of_what_was_done_since(
    tmp_path: Path,
) -> None:
    inference = {"box": "0:40,0:40,0:70", "tile": (40, 40, 40), "overlap": (0, 0, 10)}
    run = Run(tmp_path, RunConfig.model_validate({"inference": inference}))
    whole, resumed = run.grid
    logs = {whole: {"calls": 400}, resumed: {"calls": 400, "resumed_at_calls": 300}}
    for tile, line in logs.items():
        run.tile_log(tile).parent.mkdir(parents=True, exist_ok=True)
        run.tile_log(tile).write_text(json.dumps({**line, "time": 9}) + "\n")
    seconds = {whole: 40.0, resumed: 10.0}
    found = [
        {"stage": "infer", "file": run.tile_file(tile).name, "started": 0, "seconds": taken, "size": 1}
        for tile, taken in seconds.items()
    ]
    said = tiles(run, found, [], set(), Look())
    assert said["calls"] == 800
    assert said["calls_per_s_a_worker"] == 10
    assert said["voxels_per_s_a_worker"] == whole.box.size / 40


def test_of_a_tile_in_several_passes_it_is_said_whose_segments_are_told(tmp_path: Path) -> None:
    inference = {"box": "0:40,0:40,0:40", "tile": (40, 40, 40), "overlap": (0, 0, 10)}
    passes = [{}, {"deltas": (4, 4, 4)}]
    run = Run(tmp_path, RunConfig.model_validate({"inference": {**inference, "passes": passes}}))
    (tile,), found = run.grid, []
    for one, segments in zip(run.passes, (7, 9)):
        one.tile_log(tile).parent.mkdir(parents=True, exist_ok=True)
        one.tile_log(tile).write_text(json.dumps({"calls": 50, "segments": segments, "time": 3}) + "\n")
        file = one.tile_file(tile).name
        found.append({"stage": "infer", "file": file, "started": 0, "seconds": 4.0, "size": 1})
    (square,) = tiles(run, found, [], set(), Look())["map"]["squares"]
    assert square["says"].endswith("finished, 8 s, 100 calls, 7 segments in the first pass")


def test_the_log_of_a_tile_of_other_settings_is_not_told_as_that_of_the_one_that_is_there(
    tmp_path: Path,
) -> None:
    inference = {"box": "0:40,0:40,0:40", "tile": (40, 40, 40), "overlap": (0, 0, 10)}
    run = Run(tmp_path, RunConfig.model_validate({"inference": inference}))
    (tile,) = run.grid
    for path in (run.tile_file(tile), run.tile_log(tile)):
        path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(run.tile_file(tile), "w") as file:
        file["segments"] = [1, 2, 3]
        file.attrs.update(calls=70, engine="winograd", precision="float32")
    # another was begun since and given up: the log is that one's, and the tile's file says what it is itself
    given_up = {"calls": 5, "segments": 1, "time": 99.0, "engine": "keras", "precision": "float16"}
    record = {"stage": "infer", "file": run.tile_file(tile).name, "started": 10, "seconds": 20, "size": 1}
    run.tile_log(tile).write_text(json.dumps(given_up) + "\n")
    said = tiles(run, [record], [], set(), Look())
    assert (said["calls"], said["slowest"][0]["segments"]) == (70, 3)
    assert said["made_by"] == ["winograd in float32"]
    assert said["calls_per_s_a_worker"] is said["network_share"] is None
    # of other settings than the run has now: the one that was begun is the run's, or nobody has begun it
    assert tiles(run, [], [record], set(), Look())["states"]["stopped"] == 1
    run.tile_log(tile).write_text(json.dumps({**given_up, "time": 29.0}) + "\n")
    assert tiles(run, [], [record], set(), Look())["states"]["not begun"] == 1
