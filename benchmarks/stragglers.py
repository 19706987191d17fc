"""What a slow rank costs a training, and what steps between averagings or measured shares save of that.

    python benchmarks/stragglers.py --fovs 600

Two real Horovod ranks train the demo's network on this machine. Once they are at work, ranks are stopped and
continued from outside, as a machine does that has something else to do. `one slow`: one rank is stopped for a
third of every 60 ms, all the time; `slow core`: for a third of every 6 ms, much less than a step. `pauses`:
each rank is stopped for 200 ms now and then, by itself, a quarter of the time. Each is met with each number
of `training.local_steps`, and with each of `training.shares` and an averaging in every step. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from pipeline import synthetic
from pipeline.results.artifacts import Artifact
from pipeline.results.log_lines import lines_of
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config
from pipeline.training.launch import train
from pipeline.training.pace import fovs_and_seconds, has_scores
from pipeline.training.sampling import sample_coordinates

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"
LOG_LINES = 20
"""Ranks meet for each, and shares are measured anew."""

RANKS = 2
"""Each on a core of its own."""

Disturbance = Callable[[int, random.Random], tuple[float, float]]
"""Of a rank: for how many seconds it goes on, and for how many it is then stopped."""


def one_slow(rank: int, rng: random.Random) -> tuple[float, float]:
    return (0.04, 0.02) if rank == RANKS - 1 else (0.06, 0.0)


def slow_core(rank: int, rng: random.Random) -> tuple[float, float]:
    return (0.004, 0.002) if rank == RANKS - 1 else (0.06, 0.0)


def pauses(rank: int, rng: random.Random) -> tuple[float, float]:
    return rng.expovariate(1 / 0.6), 0.2


DISTURBANCES: dict[str, Disturbance | None] = {
    "none": None,
    "one slow": one_slow,
    "slow core": slow_core,
    "pauses": pauses,
}


@dataclass(frozen=True)
class Measurement:
    """One training."""

    disturbance: str
    local_steps: int
    shares: str
    last_shares: list[int] | None
    """FOVs of a step of each rank in the end, where they were measured."""
    fovs_per_s: float
    """From the first line of its log on."""
    f1: float | None
    """Mean over the second half of the lines; None where no example ended."""


class Disturber:
    """Stops and continues the ranks of a run, once its log has a line, until the context is left."""

    def __init__(self, run: Run, disturbance: Disturbance) -> None:
        self._run, self._disturbance = run, disturbance
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._disturb, args=(rank,)) for rank in range(RANKS)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _disturb(self, rank: int) -> None:
        rng = random.Random(rank)
        while not lines_of(self._run.training_log):
            if self._over.wait(0.05):
                return
        process = rank_process(rank)
        while not self._over.is_set():
            goes_on_s, stopped_s = self._disturbance(rank, rng)
            time.sleep(goes_on_s)
            with suppress(psutil.Error):  # it has ended
                process.suspend()
                time.sleep(stopped_s)
                process.resume()


def rank_process(rank: int) -> psutil.Process:
    """The process of a rank that this one has started."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child.environ().get("HOROVOD_RANK") == str(rank):
                return child
    raise RuntimeError(f"rank {rank} is not at work")


def measure(
    base: Run, coordinates: Artifact, name: str, local_steps: int, shares: str = "even"
) -> Measurement:
    """Train in a new folder, disturbed, with so many steps between averagings and such shares."""
    update = {"local_steps": local_steps, "shares": shares}
    settings = base.config.training.model_copy(update=update)
    folder = base.folder / f"{name.replace(' ', '_')}_{local_steps}_{shares}"
    run = replace(base, folder=folder, config=base.config.model_copy(update={"training": settings}))
    disturbance = DISTURBANCES[name]
    with Disturber(run, disturbance) if disturbance else nullcontext():
        train(run, coordinates)
    lines = lines_of(run.training_log)
    (first_fovs, first_s), (fovs, seconds) = fovs_and_seconds(lines[:1]), fovs_and_seconds(lines)
    rate = (fovs - first_fovs) / (seconds - first_s)
    last, halfway = lines[-1].get("shares"), lines[len(lines) // 2 :]
    scored = [line["f1"] for line in halfway if has_scores(line)]
    return Measurement(
        name,
        local_steps,
        shares,
        last,
        round(rate, 2),
        round(statistics.fmean(scored), 4) if scored else None,
    )


def base_run(folder: Path, fovs: int) -> tuple[Run, Artifact]:
    """The demo's training, shortened, on a phantom that all trainings share; and its coordinates."""
    steps = fovs // (RANKS * load_config(DEMO).training.batch_size)
    sizes = [
        f"training.ranks={RANKS}",
        f"training.fovs={fovs}",
        "training.warmup_fovs=0",
        f"training.decay_fovs={fovs}",
        f"training.report_every_steps={max(1, steps // LOG_LINES)}",
    ]
    demo = resolve(load_config(DEMO, sizes), folder)
    synthetic.make_phantom(demo)
    volumes = [f"data.{name}={demo.phantom_file}:{name}" for name in ("image", "labels")]
    run = resolve(load_config(DEMO, [*sizes, *volumes]), folder)
    return run, sample_coordinates(run)


def main() -> None:
    """Print a line a training, and all of them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fovs", type=int, default=600, help="of each training")
    parser.add_argument("--local-steps", default="1,4,16", help="numbers of steps between averagings")
    parser.add_argument("--shares", default="measured", help="of FOVs among ranks, with commas; or ''")
    parser.add_argument("--disturbances", default=",".join(DISTURBANCES), help="which, with commas")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda signum, frame: os._exit(1))  # its ranks end with it
    found: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        run, coordinates = base_run(Path(folder), arguments.fovs)
        ways = [(int(steps), "even") for steps in arguments.local_steps.split(",")]
        ways += [(1, shares) for shares in filter(None, arguments.shares.split(","))]
        for name in arguments.disturbances.split(","):
            for local_steps, shares in ways:
                one = measure(run, coordinates, name, local_steps, shares)
                found.append(one)
                share = one.fovs_per_s / found[0].fovs_per_s
                last = f", {one.last_shares} in the end" if one.last_shares else ""
                print(
                    f"{name:9} local_steps {local_steps:3}, shares {shares}{last}: {one.fovs_per_s:7.1f} "
                    f"FOV/s, {share:.2f} of undisturbed; F1 {one.f1}",
                    flush=True,
                )
    print(json.dumps([vars(each) for each in found]))


if __name__ == "__main__":
    main()
