"""What looking at a large run costs: the driver's progress, twice a second, and the picture of status.

    python benchmarks/watching.py --tiles 10000

Of a run that is made up on the disk some tiles are finished, four are at work and the rest wait; nothing is
segmented. Every look is timed and the files are counted that it opens. The last line is JSON.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from bookkeeping import make_run
from rich.console import Console

from apps.targets import target_of
from pipeline.geometry import Tile
from pipeline.results.artifacts import Artifact
from pipeline.results.attempts import begin
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.settings.run_file import dump_config
from workflows.stage import Stage
from workflows.stages import build
from workflows.watching import progress

AT_WORK = 4
LOOKS = 5

opened: Counter[str] = Counter()


class Task(Future):
    """A task as Parsl's futures show it."""

    def __init__(self, status: str, result: Artifact | None = None) -> None:
        super().__init__()
        self.task_record = {"executor": "tiles", "from_memo": False}
        self._status = status
        if result is not None:
            self.set_result(result)

    def task_status(self) -> str:
        return self._status


class Enough(Exception):  # noqa: N818 - no error
    """The progress was looked at often enough."""


def main(
    tiles: Annotated[int, typer.Option(help="About how many tiles the run has.")] = 10_000,
    finished: Annotated[float, typer.Option(help="What share of them is finished.")] = 0.5,
    status: Annotated[bool, typer.Option(help="Look at the picture of status too, which takes long.")] = True,
) -> None:
    """Measure what looking at a run of about `tiles` tiles costs."""
    folder = Path(tempfile.mkdtemp(prefix="watching-"))
    sys.addaudithook(lambda event, args: opened.update(["open"]) if event == "open" else None)
    try:
        run = make_run(tiles, folder)
        with begin(folder, "", print):
            stages = _make_up(run, round(finished * len(run.grid)), recorded=status)
            print(f"{len(run.grid):,} tiles in {folder}")
            figures = {"tiles": len(run.grid), "finished": finished, "progress": _progress(run, stages)}
            if status:
                figures["status"] = _status(run)
        print(json.dumps(figures))
    finally:
        shutil.rmtree(folder)


def _make_up(run: Run, finished: int, recorded: bool) -> list[Stage[Task]]:
    """The run folder with `finished` tiles; returns the tasks of the run as the driver has them.

    Where they are not `recorded`, which takes minutes, finished tiles have but their logs.
    """
    run.config_file.write_text(dump_config(run.config))

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        artifacts = [arg.result() if isinstance(arg, Task) and arg.done() else arg for arg in args]
        if app.__name__ in ("make_phantom", "sample_coordinates", "train"):
            target = target_of(app.__name__, artifacts, kwargs)
            return Task("exec_done", make(target, _writer(app.__name__)))
        if app.__name__ != "segment_tile":
            return Task("pending")
        tile: Tile = args[1]
        if tile.index < finished + AT_WORK:
            run.tile_log(tile).parent.mkdir(parents=True, exist_ok=True)
            run.tile_log(tile).write_text(_report())
        if tile.index < finished:
            made = Artifact(tile.name, "")
            if recorded:
                made = make(target_of(app.__name__, artifacts, kwargs), _writer(tile.name))
            return Task("exec_done", made)
        if tile.index < finished + AT_WORK:
            run.tile_marker(tile).parent.mkdir(parents=True, exist_ok=True)
            run.tile_marker(tile).write_text("1 1")
        return Task("launched")

    return build(run, submit)


def _writer(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)

    return write


def _report() -> str:
    fields = {"time": time.time() + 3600, "seconds": 10.0, "seeds": 50, "seeds_total": 100, "calls": 500}
    return json.dumps({**fields, "resumed_at_seeds": 0, "resumed_at_calls": 0, "missing_chunks": 0}) + "\n"


def _progress(run: Run, stages: list[Stage[Task]]) -> list[dict[str, float]]:
    """Seconds and opened files of each of the driver's first looks."""
    began: list[tuple[float, int]] = []

    def check() -> None:
        began.append((time.perf_counter(), opened["open"]))
        if len(began) > LOOKS:
            raise Enough

    progress.POLL_S = 0.0
    console = Console(file=io.StringIO(), force_terminal=True)
    with suppress(Enough):
        progress.watch(run, stages, console, check, dict)
    return [
        {"s": round(b - a, 4), "files": files_b - files_a} for (a, files_a), (b, files_b) in pairwise(began)
    ]


def _status(run: Run) -> list[dict[str, float]]:
    """Seconds and opened files of the first pictures of `status --watch`."""
    from workflows.watching.status_view import Memory, status_view

    looks, memory = [], Memory()
    for _ in range(3):
        began, before = time.perf_counter(), opened["open"]
        list(status_view(run.folder, memory))
        looks.append({"s": round(time.perf_counter() - began, 2), "files": opened["open"] - before})
    return looks


if __name__ == "__main__":
    typer.run(main)
