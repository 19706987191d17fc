"""Which tile and overlap a run might have, what each would cost, and which of them fits a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psutil
from rich.console import Console

import site_configs
from pipeline.config import RunConfig
from pipeline.geometry import Triple, triple
from pipeline.run_folder import Run
from pipeline.settings.estimate import Plan
from workflows.output import say
from workflows.planning.costs import Cost, cost_of_tiles, expected
from workflows.planning.rates import Rates, TileRate
from workflows.watching.long_tasks import duration

SIDES = (128, 192, 256, 384, 512)
ROW = "{:<12} {:<9} {:>9} {:>8} {:>13} {:>9} {:>10} {:>10}  {}"

BYTES_OF_A_WORKER = 350e6
"""Program and network, without a tile: measured 290 MB with the published network under OpenVINO."""

BYTES_PER_TILE_VOXEL = 65
"""At the peak, while seeds are looked for: measured at 96^3 and 160^3."""


@dataclass(frozen=True)
class TileChoice:
    """A tile and overlap for a run, and what segmenting would then take."""

    tile: Triple
    overlap: Triple
    estimate: Plan
    cost: Cost
    bytes_per_worker: float
    is_own: bool
    """Whether the run has them now."""


def overlap_for(fov: Triple) -> Triple:
    """The overlap at which neighbours can be compared: tiles thin out within half a FOV of their faces.

    So both lose that much of what they share; as much again is left where both are whole.
    """
    return triple([3 * (n // 2) for n in fov])


def fitted(length: int, side: int, overlap: int) -> int:
    """The smallest tile with which an axis of `length` needs no more tiles than with one of `side`.

    Otherwise the last tile, which is moved back to end with the axis, would repeat what is done already.
    """
    tiles = max(1, math.ceil((length - overlap) / (side - overlap)))
    return math.ceil((length + (tiles - 1) * overlap) / tiles)


def within(overlap: Triple, tile: Sequence[int]) -> Triple:
    """The overlap, less than the tile everywhere: along an axis of one tile nothing is shared."""
    return triple([min(shared, side - 1) for shared, side in zip(overlap, tile)])


def tile_choices(run: Run, rates: Rates, rate: TileRate, finished: int = 0) -> list[TileChoice]:
    """The run as it is, of which so many segmentations of tiles are finished, and with tiles of up to some
    sides that fit its volume evenly, of which none would be."""
    inference, overlap = run.config.inference, overlap_for(run.config.network.fov)
    choices = [(inference.tile, inference.overlap)]
    for side in SIDES:
        if side > 2 * max(overlap):
            shape = [fitted(length, side, o) for length, o in zip(run.inference_box.shape, overlap)]
            choices.append((triple(shape), within(overlap, shape)))
    return [_tile_choice(run, *choice, rates, rate, finished) for choice in dict.fromkeys(choices)]


def suggest(listed: list[TileChoice], node_hours: float, most_bytes: float | None) -> TileChoice | None:
    """The candidate that ends first among those within the budget and, per worker, within `most_bytes`.

    None where there is none.
    """
    fitting = [
        c
        for c in listed
        if c.cost.node_hours <= node_hours and (most_bytes is None or c.bytes_per_worker <= most_bytes)
    ]
    return min(fitting, key=lambda c: c.cost.seconds, default=None)


def print_tile_choices(
    run: Run, rates: Rates, rate: TileRate, node_hours: float, console: Console, finished: int = 0
) -> None:
    """The table of tile_choices, and the settings suggested for a budget of node-hours for segmenting."""
    listed, most_bytes = tile_choices(run, rates, rate, finished), _bytes_for_a_worker(run)
    columns = ("tile", "overlap", "tiles", "x voxels", "calls", "GB/worker", "time", "node-hours", "")
    say(console, "\nOther tiles\n" + ROW.format(*columns).rstrip())
    for c in listed:
        remarks = {
            "as it is" + ", time and node-hours of what is left" * bool(finished): c.is_own,
            "too much memory": most_bytes is not None and c.bytes_per_worker > most_bytes,
            "over the budget": c.cost.node_hours > node_hours,
        }
        row = ROW.format(
            _plain(c.tile),
            _plain(c.overlap),
            f"{c.estimate.tiles:,}",
            f"{c.estimate.overlap_factor:.2f}",
            f"{c.estimate.network_calls:,}",
            f"{c.bytes_per_worker / 1e9:.1f}",
            duration(c.cost.seconds),
            f"{c.cost.node_hours:,.2f}",
            ", ".join(remark for remark, holds in remarks.items() if holds),
        )
        say(console, row.rstrip())
    best = suggest(listed, node_hours, most_bytes)
    said = f"for {node_hours:g} node-hours: " + (
        f"--set inference.tile='{list(best.tile)}' --set inference.overlap='{list(best.overlap)}'"
        if best
        else "none of these; larger inference.deltas take fewer calls"
    )
    say(console, said)


def _tile_choice(
    run: Run, tile: Triple, overlap: Triple, rates: Rates, rate: TileRate, finished: int
) -> TileChoice:
    inference = run.config.inference
    is_own = (tile, overlap) == (inference.tile, inference.overlap)
    settings = inference.model_copy(update={"tile": tile, "overlap": overlap})
    config: RunConfig = run.config.model_copy(update={"inference": settings})
    other = replace(run, config=config)
    estimate = expected(other, rates)
    return TileChoice(
        tile,
        overlap,
        estimate,
        cost_of_tiles(other, estimate, rate, finished if is_own else 0),
        BYTES_OF_A_WORKER + BYTES_PER_TILE_VOXEL * _largest_block(other),
        is_own,
    )


def _largest_block(run: Run) -> int:
    """Voxels of the largest tile with the context that may be mirrored around it."""
    size = 1
    for tile, whole, fov in zip(run.config.inference.tile, run.inference_box.shape, run.config.network.fov):
        size *= min(tile, whole) + 2 * (fov // 2) * run.config.inference.reflect
    return size


def _bytes_for_a_worker(run: Run) -> float | None:
    """Its share of this machine's memory; None where the work is done on nodes, which cannot be seen."""
    if site_configs.commands(run):
        return None
    return float(psutil.virtual_memory().total) / run.config.site.workers


def _plain(shape: Triple) -> str:
    return ",".join(map(str, shape))
