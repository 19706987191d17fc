"""A run's stages one after the other in this process, and what segmenting cost.

The tasks are the project's own, called without Parsl; the tiles go to one other process, as a worker gets
them, so that its memory can be told.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from apps import infer
from pipeline.checkup.before_run import check
from pipeline.errors import InputError
from pipeline.ffn.weights import import_checkpoint
from pipeline.geometry import Box
from pipeline.inference.segmenter import engine_for
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config
from workflows.stages import build

PLAIN = ("inference.engine=keras", "inference.precision=float32")
"""The plain path: TensorFlow in float32, one FOV at a time; canvas, seeds and tiles are the same."""


def make_run(config: Path, box: Box | None, parent: Path, name: str, changes: list[str]) -> Run:
    """The run file's run over `box` in `parent`/`name`, its one worker on all cores of this process.

    Raises InputError, also when the network is to be trained first.
    """
    threads = f"site.threads_per_worker={len(os.sched_getaffinity(0))}"
    boxes = [f"inference.box={box}", "evaluation.box=null"] if box else []
    run = resolve(load_config(config, [threads, *boxes, *changes]), parent / name)
    if run.config.trains:
        raise InputError("network.checkpoint is not set: a trained network is needed, this does not train")
    check(run)
    return run


@dataclass(frozen=True)
class Outcome:
    """What segmenting and scoring the inference box came to.

    `seconds` are those of all tiles, from reading the image to the finished file, with the network loaded;
    `flooding_s` and `network_s` those between the first and the last network call, and in the calls.
    `kept_calls` are those of objects that were kept, the rest was spent on seeds that led to nothing.
    """

    seconds: float
    flooding_s: float
    network_s: float
    calls: int
    kept_calls: int
    peak_mib: float
    engine: str
    precision: str
    scores: dict[str, Any] | None

    def voxels_per_s(self, run: Run) -> float:
        """Voxels of the inference box, each counted once, per second."""
        return run.inference_box.size / self.seconds


def segment(run: Run) -> Outcome:
    """Segment, reconcile and score a resolved run in its new folder."""
    spent = []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as worker:

        def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
            if app.__name__ != infer.segment_tile.__name__:
                made: Artifact = app.func(*args, **kwargs)  # type: ignore[attr-defined]
                return made
            worker.submit(_open_engine, run, args[2]).result()
            began = time.perf_counter()
            made = worker.submit(_segment_tile, *args).result()
            spent.append(time.perf_counter() - began)
            return made

        build(run, submit)
        peak_mib = worker.submit(_peak_mib).result()
        engine, precision = worker.submit(_open_engine, run, import_checkpoint(run)).result()
    logs = [json.loads(run.tile_log(tile).read_text().splitlines()[-1]) for tile in run.grid]
    scored = run.config.evaluation.box is not None
    return Outcome(
        seconds=sum(spent),
        flooding_s=sum(log["seconds"] for log in logs),
        network_s=sum(log["seconds_in_network"] for log in logs),
        calls=sum(log["calls"] for log in logs),
        kept_calls=sum(_kept_calls(run.tile_file(tile)) for tile in run.grid),
        peak_mib=peak_mib,
        engine=engine,
        precision=precision,
        scores=json.loads(run.metrics_file.read_text()) if scored else None,
    )


def _segment_tile(*args: Any) -> Artifact:
    made: Artifact = infer.segment_tile.func(*args, after=[])
    return made


def _open_engine(run: Run, model: Artifact) -> tuple[str, str]:
    """Load the network, unless it is loaded; its engine and precision."""
    engine = engine_for(run, model)
    return engine.name, engine.precision


def _kept_calls(tile_file: Path) -> int:
    with h5py.File(tile_file) as file:
        return int(file["segments"]["calls"].sum())


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
