"""What a user sees while a run goes on: stages, tiles done of all, rate, time left.

The driver learns about finished tasks from their futures and about the inside of long ones from
the logs that the workers write, so the display costs the workers nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.run_folder import Run
from workflows.stages import Stage

POLL_S = 0.5
PLAIN_LINE_EVERY_S = 15.0


def watch(run: Run, stages: list[Stage], console: Console, check: Callable[[], None]) -> None:
    """Show progress until every task of every stage has ended, well or not.

    `check` is called now and then; what it raises ends the watch.
    """
    states = [_State(stage) for stage in stages]
    with _display(states, console) as show:
        while not all(state.ended for state in states):
            check()
            for state in states:
                state.update(run)
            show()
            time.sleep(POLL_S)
        for state in states:
            state.update(run)
        show()


@dataclass
class _State:
    """How far one stage is, with what its tasks' logs say."""

    stage: Stage
    done: int = 0
    failed: int = 0
    reused: int = 0
    started: float | None = None
    finished: float | None = None
    detail: str = ""

    @property
    def ended(self) -> bool:
        return all(future.done() for future in self.stage.tasks)

    @property
    def status(self) -> str:
        if self.failed:
            return "failed"
        if self.finished:
            return "done"
        return "running" if self.started else "waiting"

    @property
    def count(self) -> str:
        return f"{self.done}/{len(self.stage.tasks)}"

    @property
    def elapsed(self) -> str:
        if self.started is None:
            return ""
        return duration((self.finished or time.time()) - self.started)

    def update(self, run: Run) -> None:
        futures = self.stage.tasks
        ended = [future for future in futures if future.done()]
        self.failed = sum(future.exception() is not None for future in ended)
        self.done = len(ended) - self.failed
        self.reused = sum(_is_reused(future) for future in ended)
        if self.started is None and (ended or any(_runs(future) for future in futures)):
            self.started = time.time()
        if self.started and self.finished is None:
            if len(ended) == len(futures):
                self.finished = time.time()
            self.detail = self._detail(run)

    def _detail(self, run: Run) -> str:
        parts = [f"{self.reused:,} reused"] if self.reused else []
        if self.reused < len(self.stage.tasks) and self.stage.name in _DETAILS:
            parts.append(_DETAILS[self.stage.name](run, self))
        return ", ".join(parts)


def _runs(future: Any) -> bool:
    return future.task_status() in ("running", "launched", "running_ended")


def _is_reused(future: Any) -> bool:
    return bool(future.task_record["from_memo"])


def _training_detail(run: Run, state: _State) -> str:
    last = _last_line(run.training_log)
    if last is None or last["step"] == 0:
        return "starting ranks"
    seen, total = last["fovs_seen"], run.config.training.fovs
    left_s = max(0, total - seen) / max(last["fovs_per_s"], 1e-9)
    return (
        f"{seen:,} of {total:,} FOVs, {last['fovs_per_s']:.0f} FOV/s, "
        f"accuracy {last['accuracy']:.3f}, F1 {last['f1']:.3f}" + _left(left_s, state)
    )


def _tiles_detail(run: Run, state: _State) -> str:
    """Work done is counted in seeds tried, whose number a tile knows; reused tiles do not count."""
    tiles = [(t, f) for t, f in zip(run.grid, state.stage.tasks) if not (f.done() and _is_reused(f))]
    shares = [1.0 if f.done() else _share_of_seeds(run.tile_log(t), state.started) for t, f in tiles]
    done = sum(shares) / max(1, len(shares))
    voxels = sum(share * tile.box.size for share, (tile, _) in zip(shares, tiles))
    elapsed_s = (state.finished or time.time()) - (state.started or time.time())
    if done == 0 or elapsed_s < 1:
        return "loading the network"
    left_s = elapsed_s * (1 - done) / done
    return f"{done:.0%} of the seeds, {voxels / elapsed_s:,.0f} voxels/s" + _left(left_s, state)


def _share_of_seeds(log: Path, started: float | None) -> float:
    """How much of a tile is done, by its log; a log from before this run does not count."""
    last = _last_line(log)
    if last is None or last["time"] < (started or 0):
        return 0.0
    return float(last["seeds"] / max(1, last["seeds_total"]))


_DETAILS = {"train": _training_detail, "segment": _tiles_detail}


def _left(seconds: float, state: _State) -> str:
    return "" if state.finished else f", {duration(seconds)} left"


def duration(seconds: float) -> str:
    """`75` -> `1:15`, `4000` -> `1:06:40`."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


def _last_line(path: Path) -> dict[str, Any] | None:
    """The last complete JSON line of a log, or None while there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            lines = file.read().split(b"\n")[:-1]
        line: dict[str, Any] = json.loads(lines[-1])
        return line
    except (OSError, ValueError, IndexError):
        return None


@contextmanager
def _display(states: list[_State], console: Console) -> Iterator[Any]:
    """A table that renews itself on a terminal; elsewhere a line whenever something changed."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda: live.update(_table(states), refresh=True)
    else:
        yield _PlainLines(states, console)


def _table(states: list[_State]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "", "tasks", "time", ""):
        table.add_column(column, justify="right" if column in ("tasks", "time") else "left")
    colours = {"done": "green", "failed": "red", "running": "bold", "waiting": "dim"}
    for s in states:
        table.add_row(s.stage.name, s.status, s.count, s.elapsed, s.detail, style=colours[s.status])
    return table


class _PlainLines:
    """Prints a stage when its status changes, and now and then while it runs."""

    def __init__(self, states: list[_State], console: Console) -> None:
        self.states = states
        self.console = console
        self.printed = {state.stage.name: ("waiting", time.time()) for state in states}

    def __call__(self) -> None:
        for state in self.states:
            status, when = self.printed[state.stage.name]
            overdue = state.status == "running" and time.time() - when > PLAIN_LINE_EVERY_S
            if state.status != status or overdue:
                self.printed[state.stage.name] = (state.status, time.time())
                parts = [
                    f"{state.stage.name:<14} {state.status:<8}",
                    state.count,
                    state.elapsed,
                    state.detail,
                ]
                self.console.print("  ".join(p for p in parts if p), highlight=False, soft_wrap=True)
