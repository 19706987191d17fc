"""Which tile and overlap a run might have, what each would cost, and which of them fits a budget."""

from __future__ import annotations

from dataclasses import dataclass, replace

import psutil
from rich.console import Console
from rich.table import Table

import site_configs
from pipeline.config import RunConfig
from pipeline.geometry import Triple, triple
from pipeline.plan import Plan
from pipeline.run_folder import Run
from workflows.costs import Cost, cost_of_tiles, expected
from workflows.long_tasks import duration
from workflows.rates import Rates, TileRate

SIDES = (128, 192, 256, 384, 512)
BYTES_OF_A_WORKER = 350e6
"""Program and network, without a tile: measured 290 MB with the published network under OpenVINO."""

BYTES_PER_TILE_VOXEL = 65
"""At the peak, while seeds are looked for: measured at 96^3 and 160^3."""


@dataclass(frozen=True)
class Candidate:
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


def candidates(run: Run, rates: Rates, rate: TileRate) -> list[Candidate]:
    """The run as it is, and with cubes of some sizes in place of its tile, none larger than its volume."""
    inference, overlap = run.config.inference, overlap_for(run.config.network.fov)
    sides = [side for side in SIDES if max(overlap) < side <= max(run.inference_box.shape)]
    choices = [(inference.tile, inference.overlap), *(((side, side, side), overlap) for side in sides)]
    return [_candidate(run, tile, shared, rates, rate) for tile, shared in dict.fromkeys(choices)]


def suggest(listed: list[Candidate], node_hours: float, most_bytes: float | None) -> Candidate | None:
    """The candidate that ends first among those within the budget and, per worker, within `most_bytes`.

    None where there is none.
    """
    fitting = [
        c
        for c in listed
        if c.cost.node_hours <= node_hours and (most_bytes is None or c.bytes_per_worker <= most_bytes)
    ]
    return min(fitting, key=lambda c: c.cost.seconds, default=None)


def print_candidates(run: Run, rates: Rates, rate: TileRate, node_hours: float, console: Console) -> None:
    """The table of candidates, and the settings suggested for a budget of node-hours for segmenting."""
    listed, most_bytes = candidates(run, rates, rate), _bytes_for_a_worker(run)
    table = Table(box=None, pad_edge=False, title="\nOther tiles", title_justify="left")
    for column in ("tile", "overlap", "tiles", "x voxels", "calls", "GB a worker", "time", "node-hours", ""):
        table.add_column(column, justify="left" if column in ("tile", "overlap", "") else "right")
    for c in listed:
        remarks = ["as it is"] if c.is_own else []
        if most_bytes is not None and c.bytes_per_worker > most_bytes:
            remarks.append(f"more than the {most_bytes / 1e9:.1f} GB there are for each")
        if c.cost.node_hours > node_hours:
            remarks.append("over the budget")
        table.add_row(
            _plain(c.tile),
            _plain(c.overlap),
            f"{c.estimate.tiles:,}",
            f"{c.estimate.overlap_factor:.2f}",
            f"{c.estimate.network_calls:,}",
            f"{c.bytes_per_worker / 1e9:.1f}",
            duration(c.cost.seconds),
            f"{c.cost.node_hours:,.2f}",
            ", ".join(remarks),
        )
    console.print(table, soft_wrap=True)
    best = suggest(listed, node_hours, most_bytes)
    said = f"for {node_hours:g} node-hours: " + (
        f"--set inference.tile='{list(best.tile)}' --set inference.overlap='{list(best.overlap)}'"
        if best
        else "none of these; larger inference.deltas take fewer calls"
    )
    console.print(said, highlight=False, soft_wrap=True, markup=False)


def _candidate(run: Run, tile: Triple, overlap: Triple, rates: Rates, rate: TileRate) -> Candidate:
    inference = run.config.inference
    settings = inference.model_copy(update={"tile": tile, "overlap": overlap})
    config: RunConfig = run.config.model_copy(update={"inference": settings})
    other = replace(run, config=config)
    estimate = expected(other, rates)
    return Candidate(
        tile,
        overlap,
        estimate,
        cost_of_tiles(other, estimate, rate),
        BYTES_OF_A_WORKER + BYTES_PER_TILE_VOXEL * _largest_block(other),
        (tile, overlap) == (inference.tile, inference.overlap),
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
    return " x ".join(map(str, shape))
