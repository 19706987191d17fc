"""What a run costs: time and node-hours of its two long stages, told from measured rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.console import Console

from pipeline.checkup.resources import files_written
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.settings.estimate import Plan, plan, segmentations_of_a_tile
from pipeline.training.start import where_training_starts
from pipeline.wording import counted
from site_configs import cluster
from workflows.output import say
from workflows.planning.rates import Rates, TileRate, TrainingRate
from workflows.planning.scaling import foretold_fovs_per_s, scaling_lines
from workflows.watching.long_tasks import duration


@dataclass(frozen=True)
class Cost:
    """How long nodes are held for a stage, waiting in the queue not counted."""

    seconds: float
    nodes: int
    jobs: int = 1
    """Of `site.walltime_s` each."""

    @property
    def node_hours(self) -> float:
        return self.seconds * self.nodes / 3600


def expected(run: Run, rates: Rates) -> Plan:
    """The plan of a run, with the calls that tiles were measured to take where they had the same deltas."""
    measured = rates.segment
    return plan(run, {measured.deltas: measured.calls_per_step_volume} if measured else {})


def seconds_per_tile(estimate: Plan, rate: TileRate) -> float:
    """What a tile takes one worker, on average, in one pass."""
    return estimate.network_calls / (estimate.tiles * estimate.passes) / rate.calls_per_s


def cost_of_tiles(run: Run, estimate: Plan, rate: TileRate, finished: int = 0) -> Cost:
    """Of segmenting all tiles, but for those `finished`, in each of their passes: the workers of all nodes
    take one after the other, the last round too.

    Of jobs at once, as many as there is work for, all are held for as long.
    """
    site, tile_s = run.config.site, seconds_per_tile(estimate, rate)
    tiles = estimate.tiles * estimate.passes - finished
    at_once = min(site.tile_jobs, math.ceil(tiles / (site.workers * site.tile_nodes)))
    rounds, rounds_per_job = math.ceil(tiles / site.tile_workers), math.inf
    if site.walltime_s is not None:
        # a job begins no tile in its last tile_time_s
        rounds_per_job = 1 + max(0, site.walltime_s - site.tile_time_s) // max(tile_s, 1e-9)
    return Cost(
        rounds * tile_s, site.tile_nodes * at_once, at_once * max(1, math.ceil(rounds / rounds_per_job))
    )


def cost_of_training(run: Run, rate: TrainingRate, seen: int = 0) -> Cost:
    """Of seeing all FOVs, but for those that were `seen`, by what the scaling model makes of the ranks that
    were measured."""
    training, site = run.config.training, run.config.site
    seconds = max(0, training.fovs - seen) / foretold_fovs_per_s(run, rate)  # a last step may go beyond
    walltime_s = site.training.walltime_s or site.walltime_s or math.inf
    jobs = max(1, math.ceil(seconds / walltime_s))
    return Cost(seconds, cluster.training_nodes(run), jobs)


def print_costs(run: Run, rates: Rates, console: Console, finished: int = 0) -> None:
    """Say how much disk, how many files, and how long the run takes by `rates`, or how to measure them.

    Of what is done already, as `finished` segmentations of tiles, it is told what is left.
    """
    for name, text in _lines(run, rates, finished):
        say(console, f"{name:<12}{text}")


def _lines(run: Run, rates: Rates, finished: int) -> list[tuple[str, str]]:
    estimate, measured = expected(run, rates), rates.segment
    lines = [("disk", _disk(run, estimate, measured)), ("files", f"about {files_written(run):,} in the end")]
    train = [("train", _train(run, rates)), *scaling_lines(run, rates.train)]
    if measured is None:
        return [
            *lines,
            *(train if run.config.trains and rates.train else []),
            ("time", f"no rate of tiles is known: {_how_to_measure(run)}"),
        ]
    lines += [("rate", _rate(run, rates, measured)), ("segment", _segment(run, estimate, measured, finished))]
    if run.config.trains:
        lines += train
    tile_s = seconds_per_tile(estimate, measured)
    if run.config.site.walltime_s is not None and tile_s > run.config.site.tile_time_s:
        lines.append(
            ("", f"set site.tile_time_s to more than {tile_s:,.0f}, or jobs end in the middle of tiles")
        )
    return lines


def _how_to_measure(run: Run) -> str:
    trains = run.config.trains and (not is_there(run.model_file) or where_training_starts(run) is not None)
    if trains:  # a pilot refuses that, also where the network that is there is of other settings
        return (
            "there is no network yet to measure it with; --rates RUN_DIR takes that of a run like this one, "
            "and once this one trains `ffn status` tells how long that takes"
        )
    return "`ffn pilot` (workflows/pilot.py), with these options, measures it"


def _disk(run: Run, estimate: Plan, rate: TileRate | None) -> str:
    room = f"at most {_bytes(estimate.bytes_on_disk)}"
    if rate is None:
        return room
    voxels = segmentations_of_a_tile(run) * run.grid.tiled_voxels
    if run.config.data.output is not None:
        return f"about {_bytes(rate.bytes_per_voxel * voxels)} for tiles, {room}; the volume is in a bucket"
    voxels += run.inference_box.size  # the volume made of them
    return f"about {_bytes(rate.bytes_per_voxel * voxels)} for tiles and volume, {room}"


def _rate(run: Run, rates: Rates, rate: TileRate) -> str:
    return (
        f"{rate.calls_per_s:.2f} network calls/s a worker of {counted(rate.threads_per_worker, 'thread')}, "
        f"{rate.calls_per_1000_voxels:.2f} calls per 1000 voxels: measured on "
        f"{counted(rate.tiles, 'tile')} of {rates.measured_in} by {rate.engine} {rate.precision} on "
        f"{rate.processor}{_elsewhere(run, rates)}"
    )


def _elsewhere(run: Run, rates: Rates) -> str:
    """Where the rates are of another site than the run is planned for."""
    return "" if rates.site == run.config.site.name else f", at site {rates.site}"


def _segment(run: Run, estimate: Plan, rate: TileRate, finished: int) -> str:
    workers = run.config.site.tile_workers
    each = duration(seconds_per_tile(estimate, rate))
    cost = cost_of_tiles(run, estimate, rate)
    passes = f"{estimate.passes} times " if estimate.passes > 1 else ""
    tiles = f"{passes}{counted(estimate.tiles, 'tile')} of {each}"
    left = cost_of_tiles(run, estimate, rate, finished)
    still = _still(run, f"{finished:,}", left) if finished else ""
    return f"{tiles} on {counted(workers, 'worker')}: {_described(run, cost)}{still}"


def _train(run: Run, rates: Rates) -> str:
    rate = rates.train
    if rate is None:
        return "no rate of a training is known"
    training, cost, seen = run.config.training, cost_of_training(run, rate), _fovs_seen(run)
    still = _still(run, f"{seen:,}", cost_of_training(run, rate, seen)) if seen else ""
    return (
        f"{training.fovs:,} FOVs, {foretold_fovs_per_s(run, rate):,.1f} FOV/s on "
        f"{counted(training.ranks, 'rank')}, {rate.fovs_per_s:,.1f} measured on {rate.ranks:,} of "
        f"{counted(rate.threads_per_rank, 'thread')}"
        f"{f' by {rate.engine} {rate.precision}' if rate.engine else ''}"
        f"{_elsewhere(run, rates)}: {_described(run, cost)}{still}"
    )


def _fovs_seen(run: Run) -> int:
    """FOVs of the run's training that a start need not see again."""
    start = where_training_starts(run) if is_there(run.folder) else None
    if start is not None:
        return start.goes_on_at
    return run.config.training.fovs if is_there(run.model_file) else 0


def _still(run: Run, done: str, left: Cost) -> str:
    """What is left of a cost where some of what it is for is done."""
    return f"; {done} done, {_described(run, left)} to go" if left.seconds else f"; {done} done"


def _described(run: Run, cost: Cost) -> str:
    jobs = f" in {counted(cost.jobs, 'job')}" if run.config.site.walltime_s is not None else ""
    return f"{duration(cost.seconds)}{jobs}, {cost.node_hours:,.2f} node-hours"


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
