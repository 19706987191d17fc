"""What the records cost: seconds a tile to keep them, seconds and memory to check them all and to start.

    python benchmarks/bookkeeping.py --tiles 10000

Every task of a run of that many tiles publishes a file of a few bytes with its record, in order and in one
process. Then fresh processes do what a driver does: `check` plans the run and checks every record, as a dry
run; `start` does what a start of the finished run does before its work is known to be done, and writes the
records of groups; `check_again` and `start_again` are the same when these are there; `earlier` looks for
what is of an earlier state, as `ffn view` does; `new` plans another run of as many tiles, of which nothing
is there, and gives its tasks to Parsl. Nothing is segmented: these are the costs beside the science. Where
TMPDIR is on a disk, its fsyncs are most of what publishing takes. With --run-dir the run is kept, and the
same command again publishes only what is not there. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import parsl
import typer
from parsl.executors import ThreadPoolExecutor

from apps.targets import target_of
from pipeline.config import RunConfig
from pipeline.results.artifacts import Artifact, Target, file_sha256
from pipeline.results.hdf5_file import write_hdf5
from pipeline.results.part_sums import sum_of, write_sums
from pipeline.results.records import make, record_path
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from workflows.planning.calls import group_records
from workflows.planning.discards import refuse_to_discard
from workflows.planning.earlier import earlier_in
from workflows.planning.explain import explain
from workflows.running.submission import Submission
from workflows.running.summing_up import SummingUp
from workflows.stage import call
from workflows.stages import build

TILE, OVERLAP = 256, 48


def main(
    tiles: Annotated[int, typer.Option(help="About how many tiles the run has.")] = 10_000,
    run_dir: Annotated[Path | None, typer.Option(help="Make and keep the run here.")] = None,
    part: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure the bookkeeping of a run of about `tiles` tiles."""
    if part and run_dir:
        run = make_run(tiles, run_dir)
        print(json.dumps(_publish_all(run) if part == PUBLISH else _measured(part, run)), flush=True)
        os._exit(0)  # Parsl would wait for what it was given
    folder = run_dir or Path(tempfile.mkdtemp(prefix="bookkeeping-"))
    try:
        run = make_run(tiles, folder)
        print(f"{len(run.grid):,} tiles in {folder}")
        figures: dict[str, float] = {}
        for part in (PUBLISH, *PARTS):
            where = folder / "new" if part == "new" else folder
            command = [
                sys.executable,
                __file__,
                "--tiles",
                str(tiles),
                "--part",
                part,
                "--run-dir",
                str(where),
            ]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            figures |= json.loads(output.splitlines()[-1])
        print(json.dumps({"tiles": len(run.grid), **figures}))
    finally:
        if run_dir is None:
            shutil.rmtree(folder)


def make_run(tiles: int, folder: Path) -> Run:
    """A run over a phantom that is cut into about `tiles` tiles of 256 voxels."""
    side = max(1, round(tiles ** (1 / 3)))
    lengths = [OVERLAP + n * (TILE - OVERLAP) for n in (round(tiles / side**2), side, side)]
    document = {"data": {"labels": "phantom", "phantom": {"shape": lengths}}}
    return resolve(RunConfig.model_validate(document), folder)


def _publish_all(run: Run) -> dict[str, float]:
    """Publish a small file for every task; returns how many tasks there are, and milliseconds a tile that was
    not there."""
    spent, tasks = list[float](), 0

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
        nonlocal tasks
        tasks += 1
        target = target_of(app.__name__, args, kwargs)
        is_new_tile = app.__name__ == "segment_tile" and not record_path(target.path).exists()
        listed = _write_part(target.parts, _part_name(run, target)) if isinstance(target.parts, Path) else {}
        started = time.perf_counter()
        if app.__name__ == "merge":  # blocks are identified by what it says of their tiles
            made = make(target, lambda path: _write_table(path, len(run.grid)))
        else:
            made = make(target, lambda path: _write(path, listed, target.recipe.fingerprint))
        if is_new_tile:
            spent.append(time.perf_counter() - started)
        return made

    build(run, submit)
    return {"tasks": tasks} | ({"publish_ms_a_tile": round(1000 * median(spent), 3)} if spent else {})


def _write(path: Path, listed: dict[str, Any], text: str) -> None:
    path.write_text(json.dumps(listed) if listed else text)


def _write_table(path: Path, tiles: int) -> None:
    write_hdf5(path, lambda file: write_sums(file, (sum_of(np.array(n)) for n in range(tiles))))


def _part_name(run: Run, target: Target) -> str:
    """One that no other target has: blocks of all levels lie in one folder."""
    return "_".join(target.path.relative_to(run.folder).with_suffix("").parts)


def _write_part(folder: Path, name: str) -> dict[str, Any]:
    """One file, as a block has one shard."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / name
    part.write_text("shard")
    return {name: {"size": 5, "sha256": file_sha256(part)}}


def _measured(part: str, run: Run) -> dict[str, float]:
    """Seconds and memory of a part, in this fresh process: on the clock, and of the processor alone."""
    started, cpu = time.perf_counter(), time.process_time()
    PARTS[part](run)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {f"{part}_s": seconds, f"{part}_cpu_s": cpu, f"{part}_peak_mib": peak_mib}
    return {name: round(figure, 2) for name, figure in figures.items()}


def _check(run: Run) -> None:
    outlooks = explain(run)
    assert all(outlook.finished == outlook.tasks for outlook in outlooks), outlooks


def _start(run: Run) -> None:
    finished = refuse_to_discard(run)
    summing_up = SummingUp(group_records(run), finished)
    stages = build(run, Submission(call, verify=False, known=finished, summing_up=summing_up).submit)
    summing_up.end()
    assert all(task.done() for stage in stages for task in stage.tasks)


def _earlier(run: Run) -> None:
    found, untold = earlier_in(run)
    assert not found.stages, found.stages
    assert not untold, untold


def _new(run: Run) -> None:
    finished = refuse_to_discard(run)
    executors = [_Idle(label=label) for label in ("head", "train", "tiles", "light")]
    parsl.load(parsl.Config(executors=executors, run_dir=str(run.folder), initialize_logging=False))
    stages = build(run, Submission(call, verify=False, known=finished).submit)
    assert not any(task.done() for stage in stages for task in stage.tasks)


class _Idle(ThreadPoolExecutor):
    """Takes tasks and ends none."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


PUBLISH = "publish"
PARTS: dict[str, Callable[[Run], None]] = {
    "check": _check,
    "start": _start,
    "check_again": _check,
    "start_again": _start,
    "earlier": _earlier,
    "new": _new,
}


if __name__ == "__main__":
    typer.run(main)
