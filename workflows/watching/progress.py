"""What a user sees while a run goes on: stages, tiles done of all, rate, time left.

The driver learns about finished tasks from their futures and about the inside of long ones from
the logs that the workers write, so the display costs the workers nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.geometry import Tile
from pipeline.run_folder import Run
from workflows.stages import Stage
from workflows.watching.long_tasks import Share, describe_tiles, describe_training, duration, read_tile_log

POLL_S = 0.5
PLAIN_LINE_EVERY_S = 15.0


def watch(
    run: Run,
    stages: list[Stage],
    console: Console,
    check: Callable[[], None],
    in_queue: Callable[[], Mapping[str, str]],
) -> None:
    """Show progress until every task of every stage has ended, well or not.

    `check` is called now and then; what it raises ends the watch. `in_queue` tells, by executor label, for
    which jobs an executor waits.
    """
    states = [_State(stage) for stage in stages]
    with _display(states, console) as show:
        while not all(state.ended for state in states):
            check()
            jobs = in_queue()
            for state in states:
                state.update(run, jobs)
            show()
            time.sleep(POLL_S)
        for state in states:
            state.update(run, {})
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
    queued: str = ""
    """The jobs for which its tasks wait."""
    detail: str = ""
    finished_tiles: dict[int, Share] = field(default_factory=dict)
    """By index; their logs do not change any more."""

    @property
    def ended(self) -> bool:
        return all(future.done() for future in self.stage.tasks)

    @property
    def status(self) -> str:
        if self.failed:
            return "failed"
        if self.finished:
            return "done"
        if self.queued:
            return "queued"
        return "running" if self.started else "waiting"

    @property
    def count(self) -> str:
        return f"{self.done}/{len(self.stage.tasks)}"

    @property
    def elapsed(self) -> str:
        if self.started is None:
            return ""
        return duration((self.finished or time.time()) - self.started)

    def update(self, run: Run, jobs: Mapping[str, str]) -> None:
        """Look at the tasks; `jobs` tells by executor label for which jobs it waits."""
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
            at_work = {f.task_record["executor"] for f in futures if not f.done() and _runs(f)}
            self.queued = ", ".join(jobs[label] for label in sorted(at_work & set(jobs)))
            self.detail = self.queued or self._detail(run)

    def share(self, run: Run, tile: Tile, finished: bool) -> Share:
        """What part of a tile is done, and was done by this run, by the tile's log."""
        if tile.index in self.finished_tiles:
            return self.finished_tiles[tile.index]
        report = read_tile_log(run.tile_log(tile), self.started or 0)
        share = report.share if report else Share()
        if finished:
            share = self.finished_tiles[tile.index] = share._replace(done=1.0)
        return share

    def _detail(self, run: Run) -> str:
        parts = [f"{self.reused:,} reused"] if self.reused else []
        if self.reused < len(self.stage.tasks) and self.stage.name in _DETAILS:
            parts.append(_DETAILS[self.stage.name](run, self))
        return ", ".join(filter(None, parts))


def _runs(future: Any) -> bool:
    return future.task_status() in ("running", "launched", "running_ended")


def _is_reused(future: Any) -> bool:
    return bool(future.task_record["from_memo"])


def _training_detail(run: Run, state: _State) -> str:
    # one that had seen all its FOVs when it was stopped ends without another line in its log
    since = 0.0 if state.finished else (state.started or 0.0)
    return _with_time_left(state, *describe_training(run, since))


def _tiles_detail(run: Run, state: _State) -> str:
    """Of the tiles that are segmented in this run: those reused and those that failed do not count."""
    tiles = []
    for tile, future in zip(run.tiles, state.stage.tasks):
        if future.done() and (_is_reused(future) or future.exception()):
            continue
        tiles.append((state.share(run, tile, future.done()), tile.box.size))
    elapsed_s = (state.finished or time.time()) - (state.started or time.time())
    return _with_time_left(state, *describe_tiles(tiles, elapsed_s)) if tiles else ""


_DETAILS = {"train": _training_detail, "segment": _tiles_detail}


def _with_time_left(state: _State, said: str, left_s: float | None) -> str:
    return said if state.finished or left_s is None else f"{said}, {duration(left_s)} left"


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
    colours = {"done": "green", "failed": "red", "running": "bold", "queued": "yellow", "waiting": "dim"}
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
            overdue = state.status in ("running", "queued") and time.time() - when > PLAIN_LINE_EVERY_S
            if state.status != status or overdue:
                self.printed[state.stage.name] = (state.status, time.time())
                parts = [
                    f"{state.stage.name:<14} {state.status:<8}",
                    state.count,
                    state.elapsed,
                    state.detail,
                ]
                self.console.print("  ".join(p for p in parts if p), highlight=False, soft_wrap=True)
