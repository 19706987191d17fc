"""One point of a weak scaling: workers with the same share of equal tiles each, and how long they took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.results.attempts import INTERRUPTED
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config
from pipeline.synthetic.repeated_cube import DATASET, write_row
from workflows.watching.long_tasks import TileReport, read_tile_log

PILOT = Path(__file__).parents[1] / "pilot.py"


@dataclass(frozen=True)
class Point:
    """What was measured with one number of workers."""

    workers: int
    nodes: int
    tiles: int
    calls: int
    seconds: float
    """From when the first tile began to be flooded until the last one was done."""
    startup_s: float
    """From the start of the program until then: Parsl, the batch system, loading the network."""
    load: float
    """How many processes wanted a core of this machine before the start, on average over a minute."""
    efficiency: float = 1.0
    """Seconds of the first point per seconds of this one."""


def measure_point(settings: RunConfig, folder: Path, cube: np.ndarray, share: int) -> Point:
    """Segment `share` copies of the cube a worker, by a program of its own, in a new folder below `folder`.

    Raises InputError when that folder is there already, and when the program fails.
    """
    workers = settings.site.workers * settings.site.tile_nodes
    tiles, here = workers * share, folder / f"workers_{workers:05}"
    if here.exists():
        raise InputError(
            f"{here} is there already: what is finished there would not be measured again; "
            "name another --run-dir"
        )
    run = _row_of_cubes(settings, here, cube, tiles)
    load, began = os.getloadavg()[0], time.time()
    command = [sys.executable, str(PILOT), "--config", str(here / "run.yaml"), "--run-dir", str(run.folder)]
    _work([*command, "--tiles", str(tiles)], run, here / "output.txt")
    reports = [_report_of(log) for log in map(run.tile_log, run.grid)]
    first = min(report.began for report in reports)
    return Point(
        workers=workers,
        nodes=settings.site.tile_nodes,
        tiles=tiles,
        calls=sum(report.calls for report in reports),
        seconds=round(max(report.time for report in reports) - first, 3),
        startup_s=round(first - began, 3),
        load=round(load, 2),
    )


def _row_of_cubes(settings: RunConfig, here: Path, cube: np.ndarray, tiles: int) -> Run:
    """Write a volume of `tiles` cubes and its run file into the folder `here`.

    A tile is one cube: none sees another, nor a mirrored face, and all are the same work.
    """
    image = here / "image.h5"
    here.mkdir(parents=True)
    box = write_row(cube, tiles, image)
    document = json.loads(resolve(settings, here).config.model_dump_json())  # with the path of its network
    kept = ("voxel_size_nm", "image_mean", "image_stddev")
    document["data"] = {"image": f"{image}:{DATASET}"} | {name: document["data"][name] for name in kept}
    document["inference"] |= {"box": str(box), "tile": cube.shape, "overlap": [0, 0, 0], "reflect": False}
    document["inference"]["passes"] = []  # of one pass the times are told
    document["evaluation"], document["sections"] = {}, None
    document["reconciliation"]["corrections"] = None  # they lie in another volume
    document["training"]["box"] = None
    config = RunConfig.model_validate(document)
    (here / "run.yaml").write_text(dump_config(config))
    return resolve(config, here / "run")


def require_cores(wanted: int) -> list[int]:
    """So many cores of this machine. Raises InputError where it has fewer."""
    cores = sorted(os.sched_getaffinity(0))
    if wanted > len(cores):
        raise InputError(f"{wanted} worker threads need as many cores; there are {len(cores)}")
    return cores[:wanted]


def _work(command: list[str], run: Run, output: Path) -> None:
    """Run the pilot; on this machine it has just as many cores as its workers have threads."""
    pin = None
    if not site_configs.commands(run):
        wanted = run.config.site.workers * run.config.site.threads_per_worker
        pin = partial(os.sched_setaffinity, 0, require_cores(wanted))
    with open(output, "w") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, preexec_fn=pin).returncode
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        said = output.read_text().strip().splitlines() or [f"exit code {code}, and not a word"]
        raise InputError(f"the run in {run.folder} failed: {said[-1]}")


def _report_of(log: Path) -> TileReport:
    report = read_tile_log(log, since=0)
    if report is None:
        raise InputError(f"{log} holds no report of a tile")
    return report
