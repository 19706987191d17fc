"""What a user sees while a run goes on: stages, tiles done of all, rate, time left.

The driver learns about finished tasks from their futures and about the inside of long ones from
the logs that the workers write, so the display costs the workers nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.errors import Unreadable
from pipeline.run_folder import Run
from workflows.output import KeepingConsole
from workflows.running.gates import HeldBackError
from workflows.stage import Stage
from workflows.watching.long_tasks import describe_tiles, describe_training, duration
from workflows.watching.tiles_at_work import TilesAtWork

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
    states = [_State(run, stage) for stage in stages]
    with _display(states, console) as show:
        while not all(state.ended for state in states):
            check()
            jobs = in_queue()
            for state in states:
                state.update(jobs)
            show()
            time.sleep(POLL_S)
        for state in states:
            state.update({})
        show()


class _State:
    """How far one stage is, with what its tasks' logs say.

    A task is looked at once, when it has ended: there may be very many, and a look is taken twice a second.
    """

    def __init__(self, run: Run, stage: Stage) -> None:
        self.stage = stage
        self.done = self.failed = self.held = self.reused = 0
        self.started: float | None = None
        self.finished: float | None = None
        self.queued = ""
        """The jobs for which its tasks wait."""
        self.detail = ""
        self._tiles = TilesAtWork(run) if stage.name == "segment" else None
        self._news: deque[tuple[int, Any]] = deque()
        """Tasks that have ended since the last look, with their place in the stage."""
        for index, future in enumerate(stage.tasks):
            future.add_done_callback(partial(self._tell, index))

    def _tell(self, index: int, future: Future[Any]) -> None:
        """Called in some thread of Parsl's."""
        self._news.append((index, future))

    @property
    def ended(self) -> bool:
        return self.done + self.failed + self.held == len(self.stage.tasks)

    @property
    def status(self) -> str:
        if self.failed:
            return "failed"
        if self.held:
            return "held"
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

    def update(self, jobs: Mapping[str, str]) -> None:
        """Look at the tasks; `jobs` tells by executor label for which jobs it waits."""
        futures = self.stage.tasks
        if self.started is None and (self._news or any(_runs(future) for future in futures)):
            self.started = time.time()
        while self._news:
            self._note_end(*self._news.popleft())
        if self.started and self.finished is None:
            if self.ended:
                self.finished = time.time()
            waiting = [f for f in futures if not f.done() and _runs(f)] if jobs else []
            labels = {f.task_record["executor"] for f in waiting}
            self.queued = ", ".join(jobs[label] for label in sorted(labels & set(jobs)))
            try:
                self.detail = self.queued or self._detail()
            except Unreadable as error:  # a log; the work itself goes on
                self.detail = str(error)

    def _note_end(self, index: int, future: Any) -> None:
        error, reused = future.exception(), _is_reused(future)
        held, failed = isinstance(error, HeldBackError), error is not None
        self.held += held
        self.failed += failed and not held
        self.done += not failed
        self.reused += reused
        if self._tiles:
            with suppress(Unreadable):  # the tile counts as done, and its log adds nothing
                self._tiles.end(index, self.started or 0.0, counts=not (failed or reused))

    def _detail(self) -> str:
        parts = [f"{self.reused:,} reused"] if self.reused else []
        if self.reused < len(self.stage.tasks) and self.stage.training:
            parts.append(self._training_detail(self.stage.training))
        if self._tiles and self._tiles.count:
            parts.append(self._tiles_detail(self._tiles))
        return ", ".join(parts)

    def _training_detail(self, run: Run) -> str:
        # one that had seen all its FOVs when it was stopped ends without another line in its log
        since, now = (0.0, None) if self.finished else (self.started or 0.0, time.time())
        return self._with_time_left(*describe_training(run, since, now))

    def _tiles_detail(self, tiles: TilesAtWork) -> str:
        now = self.finished or time.time()
        started = self.started or now
        work = tiles.look(started)
        # until a worker begins the first one, its job may have stood in the queue for hours
        elapsed_s = now - max(started, tiles.began or started)
        return self._with_time_left(*describe_tiles(work, tiles.count, elapsed_s))

    def _with_time_left(self, said: str, left_s: float | None) -> str:
        return said if self.finished or left_s is None else f"{said}, {duration(left_s)} left"


def _runs(future: Any) -> bool:
    return future.task_status() in ("running", "launched", "running_ended")


def _is_reused(future: Any) -> bool:
    return bool(future.task_record["from_memo"])


@contextmanager
def _display(states: list[_State], console: Console) -> Iterator[Any]:
    """A table that renews itself on a terminal; elsewhere, and in what is kept of a terminal, a line whenever
    something changed."""
    if not console.is_terminal:
        yield _PlainLines(states, console)
        return
    kept = _PlainLines(states, console.kept) if isinstance(console, KeepingConsole) else None
    with Live(console=console, auto_refresh=False) as live:

        def show() -> None:
            live.update(_table(states), refresh=True)
            if kept is not None:
                kept()

        yield show


def _table(states: list[_State]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "", "tasks", "time", ""):
        table.add_column(column, justify="right" if column in ("tasks", "time") else "left")
    colours = {
        "done": "green",
        "failed": "red",
        "running": "bold",
        "queued": "yellow",
        "held": "yellow",
        "waiting": "dim",
    }
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
