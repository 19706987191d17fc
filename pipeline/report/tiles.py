"""The tiles of a run as maps: how far each is, how long it took, and how many network calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.geometry import Tile
from pipeline.results.hdf5_file import reading_hdf5
from pipeline.results.log_lines import is_logged_for, last_line
from pipeline.results.unreadable import Look, is_there
from pipeline.run_folder import Run
from pipeline.settings.estimate import plan
from pipeline.tile_grid import TileGrid
from pipeline.wording import counted

MOST_CELLS = 2000
"""On a map. Where there are more tiles, one square stands for a cube of them."""

STATES = ("finished", "at work", "stopped", "failed", "not begun")
"""From the best to the worst: a square that stands for several tiles is as the worst of them."""

SLOWEST = 10
MOST_NAMED = 3


def tiles(
    run: Run,
    found: Iterable[Mapping[str, Any]],
    before: Iterable[Mapping[str, Any]],
    failed: set[str],
    look: Look,
) -> dict[str, Any]:
    """All that is known of the run's tiles, from their records in `found` and from their logs.

    `before` are records of an earlier state of the run, `failed` names the tiles that failed for good.
    """
    made, others = _by_stem(found), _by_stem(before)
    by_pass = [
        [
            _row(one, tile, made.get(one.stem(tile)), others.get(one.stem(tile)), failed, look)
            for tile in one.grid
        ]
        for one in run.passes
    ]
    rows = [_over_passes(rows) for rows in zip(*by_pass)]
    done = [row for row in rows if row["state"] == "finished"]
    calls, seconds = sum(row["calls"] for row in done), sum(row["seconds"] for row in done)
    sizes = {tile.name: tile.box.size for tile in run.grid}
    voxels = sum(sizes[row["name"]] for row in done)
    timed_calls, timed_s = (sum(row[name] for row in done) for name in ("timed_calls", "timed_s"))
    timed_voxels = sum(sizes[row["name"]] * _timed_share(row) for row in done)
    network_s = sum(row["seconds_in_network"] for row in done)
    foretold = plan(run)
    return {
        "grid": list(run.grid.shape),
        "states": {state: sum(row["state"] == state for row in rows) for state in STATES},
        "voxels": voxels,
        "calls": calls,
        "calls_foretold": foretold.network_calls,
        "worker_seconds": seconds,
        "node_hours": seconds / run.config.site.workers / 3600,
        "voxels_per_s_a_worker": timed_voxels / timed_s if timed_s else None,
        "calls_per_s_a_worker": timed_calls / timed_s if timed_s else None,
        "network_share": network_s / timed_s if timed_s else None,
        "bytes_a_voxel": sum(row["bytes"] for row in done) / voxels if voxels else None,
        "made_by": sorted({row["made_by"] for row in rows if row["made_by"]}),
        "missing_voxels": sum(row["missing_voxels"] for row in rows),
        "slowest": sorted(done, key=lambda row: (-row["seconds"], row["name"]))[:SLOWEST],
        "map": tile_map(run.grid, rows),
    }


def _by_stem(records: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {record["file"].removesuffix(".h5"): record for record in records if record["stage"] == "infer"}


def _timed_share(row: Mapping[str, Any]) -> float:
    """What part of a tile its timed seconds are of: where it went on from a checkpoint, what came then."""
    return row["timed_calls"] / row["calls"] if row["calls"] else float(row["timed_s"] > 0)


def tile_map(grid: TileGrid, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Layers of squares, z by z: of each its place, state, and means of seconds and calls of finished tiles.

    `tiles_a_square` is how many tiles along an axis one square stands for.
    """
    side = 1
    while np.prod([-(-n // side) for n in grid.shape]) > MOST_CELLS:
        side += 1
    cells: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for position, row in zip(np.ndindex(*grid.shape), rows):
        cells.setdefault(tuple(n // side for n in position), []).append(row)
    squares = []
    for (z, y, x), members in sorted(cells.items()):
        done = [row for row in members if row["state"] == "finished"]
        squares.append(
            {
                "z": z,
                "y": y,
                "x": x,
                "tiles": len(members),
                "first": members[0]["name"],
                "state": max((row["state"] for row in members), key=STATES.index),
                "seconds": sum(row["seconds"] for row in done) / len(done) if done else None,
                "calls": sum(row["calls"] for row in done) / len(done) if done else None,
                "says": "; ".join(_says(row) for row in members[:MOST_NAMED]),
            }
        )
    return {
        "tiles_a_square": side,
        "shape": [-(-n // side) for n in grid.shape],
        "squares": squares,
        "most_seconds": max((s["seconds"] for s in squares if s["seconds"] is not None), default=None),
        "most_calls": max((s["calls"] for s in squares if s["calls"] is not None), default=None),
    }


def _says(row: Mapping[str, Any]) -> str:
    """`z000000_y000000_x000064: finished, 43 s, 9,257 calls, 11 segments`."""
    if row["state"] != "finished":
        return f"{row['name']}: {row['state']}"
    of_first = " in the first pass" if row["passes"] > 1 else ""
    found = f"{counted(row['calls'], 'call')}, {counted(row['segments'], 'segment')}{of_first}"
    return f"{row['name']}: finished, {row['seconds']:.0f} s, {found}"


def _over_passes(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row for a tile in all passes: it is as far as the worst of them, and what they took is added up;
    its segments are those of the first.
    """
    first = rows[0]
    added = ("seconds", "bytes", "calls", "timed_calls", "timed_s", "seconds_in_network")
    return {
        **first,
        "passes": len(rows),
        **{name: sum(row[name] for row in rows) for name in added},
        "state": max((row["state"] for row in rows), key=STATES.index),
    }


def _row(
    run: Run,
    tile: Tile,
    record: Mapping[str, Any] | None,
    before: Mapping[str, Any] | None,
    failed: set[str],
    look: Look,
) -> dict[str, Any]:
    """Of a tile in one pass. Its log may be of another tile than the `record`'s: of that which was there
    `before`, or of one that was begun with other settings and given up."""
    log = look(last_line, run.tile_log(tile)) or {}
    there = record or before
    is_of_there = there is not None and is_logged_for(log, there)
    if bool(record) != is_of_there:
        log = (look(_by_its_file, run.tile_file(tile)) if record else None) or {}
    timed_calls = log.get("calls", 0) - log.get("resumed_at_calls", 0) if is_of_there else 0
    return {
        "name": tile.name,
        "box": str(tile.box),
        "state": "finished" if record else _state(run, tile, failed, log, look),
        "seconds": record["seconds"] if record else 0.0,
        "bytes": record["size"] if record else 0,
        "calls": log.get("calls", 0),
        "timed_calls": timed_calls,
        "timed_s": record["seconds"] if record and is_of_there else 0.0,
        "segments": log.get("segments", 0),
        "seconds_in_network": log.get("seconds_in_network", 0.0),
        "missing_voxels": log.get("missing_voxels", 0),
        "made_by": f"{log['engine']} in {log['precision']}" if {"engine", "precision"} <= log.keys() else "",
    }


def _by_its_file(path: Path) -> dict[str, Any]:
    """What the file of a tile says of how it was made; nothing where it is damaged. Raises Unreadable."""
    try:
        with reading_hdf5(path) as file:
            numbers = {n: int(file.attrs[n]) for n in ("calls", "missing_voxels") if n in file.attrs}
            names = {n: str(file.attrs[n]) for n in ("engine", "precision") if n in file.attrs}
            return {**numbers, **names, "segments": len(file["segments"])}
    except (OSError, KeyError):
        return {}


def _state(run: Run, tile: Tile, failed: set[str], log: Mapping[str, Any], look: Look) -> str:
    if run.stem(tile) in failed:
        return "failed"
    if look(is_there, run.tile_marker(tile)):
        return "at work"
    begun = bool(log) or look(is_there, run.tile_checkpoint_file(tile))
    return "stopped" if begun else "not begun"
