"""Killer: the kinds of processes that a run consists of, and when and how one of them is killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from small_run import STAGES, SmallRun

KINDS = ("driver", "interchange", "manager", "worker", "rank", "block")


class UndisturbedError(Exception):
    """A command that nobody disturbed ended with an error, or never."""


class Turns:
    """Which kind is next: rounds of all kinds, each in a random order."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._waiting: list[str] = []

    def take(self, possible: Callable[[str], bool]) -> str | None:
        """The first kind of the round that is possible; None if only others are left of it."""
        if not self._waiting:
            self._waiting = self._rng.sample(KINDS, len(KINDS))
        kind = next(filter(possible, self._waiting), None)
        if kind is not None:
            self._waiting.remove(kind)
        return kind

    def give_back(self, kind: str) -> None:
        """None of this kind was found in time: it is the next again."""
        self._waiting.insert(0, kind)


class Reference:
    """A run that nobody disturbs: its results, and how long it takes."""

    def __init__(self, run: SmallRun) -> None:
        """Bring `run` to its end; raises UndisturbedError when it fails."""
        began = time.monotonic()
        if run.finish() != 0:
            raise UndisturbedError(f"the undisturbed run failed:\n{run.tail()}")
        self.seconds = time.monotonic() - began
        self.results = run.results()
        self.events = run.events()
        self.counts = {stage: len(run.finished(stage)) for stage in STAGES}
        sampled, trained = (run.finished(stage)[0].stat().st_mtime for stage in ("sample", "train"))
        self.training_s = trained - sampled
        self.training_events = range(2, 2 + run.training_lines())

    def stage(self, run: SmallRun) -> str:
        """The stage that `run` is in: the first that is not complete."""
        behind = (stage for stage, count in self.counts.items() if len(run.finished(stage)) < count)
        return next(behind, "end")


@dataclass(frozen=True)
class Kill:
    """What was killed, in which stage, and how many seconds after its command was given."""

    kind: str
    stage: str
    after_s: float

    def __str__(self) -> str:
        return f"{self.kind} in {self.stage} after {self.after_s:.1f} s"


class Killer:
    """Waits for a moment of one command, and then kills one process of a kind.

    The moment comes some time after an event is seen and a process of the kind is there. Half of the
    moments are drawn among the events, so that short stages are hit as often as long ones, and half among
    the seconds that are left of the run, or of the training if the kind is a rank.
    """

    def __init__(self, kind: str, run: SmallRun, reference: Reference, rng: random.Random) -> None:
        self.kind = kind
        self._run = run
        self._reference = reference
        self._rng = rng
        done = run.events()
        ahead = reference.training_events if kind == "rank" else range(reference.events)
        ahead = range(max(done, ahead.start), ahead.stop)
        if ahead and rng.random() < 0.5:
            self._after_event, self._delay_s = rng.choice(ahead), rng.uniform(0, 0.5)
        else:
            whole_s = reference.training_s if kind == "rank" else reference.seconds
            left = max(0.3, 1 - done / reference.events)  # a restart takes its time, whatever is left
            self._after_event, self._delay_s = 0, rng.uniform(0, whole_s * left)
        self._began = time.monotonic()
        self._due: float | None = None

    def try_to_kill(self, driver: int) -> Kill | None:
        """Kill if the moment has come; `driver` is the process id of the command."""
        if self._due is None:
            if self._run.events() >= self._after_event and of_kind(self.kind, self._run, driver):
                self._due = time.monotonic() + self._delay_s
            return None
        if time.monotonic() < self._due:
            return None
        victims = of_kind(self.kind, self._run, driver)
        if not victims:
            return None
        victim, stage = self._rng.choice(victims), self._reference.stage(self._run)
        try:
            lose(self.kind, victim)
        except ProcessLookupError:
            return None  # it ended meanwhile; there may be others
        return Kill(self.kind, stage, time.monotonic() - self._began)


def of_kind(kind: str, run: SmallRun, driver: int) -> list[psutil.Process]:
    """The living processes of a kind; a block is shown by its manager. `driver` is a process id."""
    found = []
    for process in run.processes():
        try:
            if kind == _kind(process, driver) or (kind, _kind(process, driver)) == ("block", "manager"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def lose(kind: str, process: psutil.Process) -> None:
    """SIGKILL the process, or all of its block at once: wrapper, manager, workers and their ranks."""
    if kind == "block":
        # the provider starts each block in a process group of its own
        os.killpg(os.getpgid(process.pid), signal.SIGKILL)
    else:
        os.kill(process.pid, signal.SIGKILL)


def _kind(process: psutil.Process, driver: int) -> str | None:
    if process.pid == driver:
        return "driver"
    command = process.cmdline()
    words = " ".join(command)
    if process.ppid() == driver and "interchange" in words:  # it renames itself once it runs
        return "interchange"
    if not command or "python" not in Path(command[0]).name:
        return None  # a shell around the others
    if "pipeline.training.ranks.rank" in words:
        return "rank"
    if "process_worker_pool.py" in words:
        return "manager"
    # the manager's other children, which look the same, keep no such log
    logs = (Path(file.path).name for file in process.open_files())
    return "worker" if any(name.startswith("worker_") for name in logs) else None
