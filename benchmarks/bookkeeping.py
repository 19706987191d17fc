"""What the records cost: seconds a tile to keep them, seconds and memory to check them all.

    python benchmarks/bookkeeping.py --tiles 10000

Every task of a run of that many tiles publishes a file of a few bytes with its record, in order and in
this process; then a fresh process plans the run and checks every record. Nothing is segmented: these are
the costs beside the science. The last line is JSON.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from apps.targets import target_of
from pipeline.config import RunConfig
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from workflows.planning.explain import explain
from workflows.stages import build

TILE, OVERLAP = 256, 48


def main(
    tiles: Annotated[int, typer.Option(help="About how many tiles the run has.")] = 10_000,
    check: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure the bookkeeping of a run of about `tiles` tiles."""
    if check is not None:
        print(json.dumps(_check(tiles, check)))
        return
    folder = Path(tempfile.mkdtemp(prefix="bookkeeping-"))
    try:
        run = make_run(tiles, folder)
        print(f"{len(run.grid):,} tiles in {folder}")
        seconds, tasks = _publish_all(run)
        command = [sys.executable, __file__, "--tiles", str(tiles), "--check", str(folder)]
        checked = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(json.dumps({"tiles": len(run.grid), "tasks": tasks, **seconds, **checked}))
    finally:
        shutil.rmtree(folder)


def make_run(tiles: int, folder: Path) -> Run:
    """A run over a phantom that is cut into about `tiles` tiles of 256 voxels."""
    side = max(1, round(tiles ** (1 / 3)))
    lengths = [OVERLAP + n * (TILE - OVERLAP) for n in (round(tiles / side**2), side, side)]
    document = {"data": {"labels": "phantom", "phantom": {"shape": lengths}}}
    return resolve(RunConfig.model_validate(document), folder)


def _publish_all(run: Run) -> tuple[dict[str, float], int]:
    """Publish a small file for every task; returns milliseconds a tile, and how many there are."""
    spent: dict[str, list[float]] = {}

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
        target = target_of(app.__name__, args, kwargs)
        listed = {}
        if target.parts is not None:
            listed = _write_parts(target.parts, target.path.stem, 64 if app.__name__ == "write_block" else 1)
        started = time.perf_counter()
        made = make(target, lambda path: _write(path, listed, target.recipe.fingerprint))
        spent.setdefault(app.__name__, []).append(time.perf_counter() - started)
        return made

    build(run, submit)
    times = sorted(spent["segment_tile"])
    return {"publish_ms_a_tile": round(1000 * times[len(times) // 2], 3)}, sum(map(len, spent.values()))


def _write(path: Path, listed: dict[str, Any], text: str) -> None:
    path.write_text(json.dumps(listed) if listed else text)


def _write_parts(folder: Path, stem: str, count: int) -> dict[str, Any]:
    """As many files as a block of 256 voxels has chunks of 64."""
    (folder / stem).mkdir(parents=True, exist_ok=True)
    listed = {}
    for number in range(count):
        part = folder / stem / str(number)
        part.write_text("chunk")
        listed[str(part.relative_to(folder))] = {"size": 5, "sha256": file_sha256(part)}
    return listed


def _check(tiles: int, folder: Path) -> dict[str, float]:
    """Plan the run and check every record, in this fresh process."""
    started = time.perf_counter()
    outlooks = explain(make_run(tiles, folder))
    seconds = time.perf_counter() - started
    assert all(outlook.finished == outlook.tasks for outlook in outlooks), outlooks
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"check_s": round(seconds, 2), "check_peak_mib": round(peak_mib, 1)}


if __name__ == "__main__":
    typer.run(main)
