"""What happens when a task fails: tried again where that can help, set down where the user can read it.

A supercomputer loses workers, nodes and whole blocks; that is no fault of the task and does not count
against it. A wrong input or a mistake in a program stays wrong, and is not tried again.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Any

from parsl.dataflow.errors import PropagatedException
from parsl.dataflow.taskrecord import TaskRecord
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

from apps.names import app_of
from apps.targets import checkpoint_of, target_of
from pipeline.errors import InputError, Superseded, Unreadable
from pipeline.results.artifacts import file_sha256
from pipeline.results.attempts import fence
from pipeline.training.ranks.rank_processes import RankLost

RETRY, GIVE_UP = 0.0, 1.0
"""Costs of a failure. Parsl is told to allow none (`retries` is 0), so that this policy alone decides."""

LOSSES_OF_A_BAD_NODE = 3

log = logging.getLogger(__name__)


class Kind(str, Enum):
    """Why a task failed."""

    LOST = "lost"
    """Its worker, manager, block, or one of its ranks went away under it."""
    OUT_OF_MEMORY = "out of memory"
    PASSING = "passing"
    """May be otherwise next time: the file system, the network."""
    PERMANENT = "permanent"
    """Wrong input, or a mistake in a program."""


RETRIES = {Kind.LOST: 10, Kind.OUT_OF_MEMORY: 1, Kind.PASSING: 1, Kind.PERMANENT: 0}
"""How often a task is tried again after failures of each kind. A task that kills its workers must end too.
But one whose checkpoint goes on takes as many blocks as it needs: its losses are counted from there."""


def kind_of(error: BaseException) -> Kind:
    """The kind of a task's failure."""
    if isinstance(error, (ManagerLost, WorkerLost, RankLost)):
        return Kind.LOST
    if isinstance(error, MemoryError):
        return Kind.OUT_OF_MEMORY
    if isinstance(error, Unreadable):
        return Kind.PASSING
    if isinstance(error, (InputError, Superseded, NotImplementedError, RecursionError)):
        return Kind.PERMANENT
    return Kind.PASSING if isinstance(error, (OSError, RuntimeError)) else Kind.PERMANENT


class FailurePolicy:
    """Parsl's retry handler; writes every failure to `path`, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failures: Counter[tuple[int, Kind]] = Counter()
        self._losses: Counter[str] = Counter()
        self._reached: dict[int, str] = {}
        """By task, the SHA-256 of its checkpoint when it was lost last."""

    def __call__(self, error: Exception, task: TaskRecord) -> float:
        """RETRY or GIVE_UP, after `task` failed with `error`."""
        if isinstance(error, PropagatedException):
            return GIVE_UP  # it never ran; what it waited for has failed, and stands in the log
        kind = kind_of(error)
        if kind is Kind.LOST and self._has_gone_on(task):
            self._failures[task["id"], kind] = 0
        self._failures[task["id"], kind] += 1
        again = self._failures[task["id"], kind] <= RETRIES[kind]
        self._record(error, task, kind, again)
        if isinstance(error, WorkerLost):  # a manager that is lost took its node's share with it
            try:
                self._set_bad_node_aside(error.hostname, task)
            except Exception:  # Parsl would give the task up; a bad node in use is the lesser evil
                log.exception("cannot set a node aside")
        return RETRY if again else GIVE_UP

    def _has_gone_on(self, task: TaskRecord) -> bool:
        """Whether a task's checkpoint is another than when the task was lost before."""
        checkpoint = checkpoint_of(app_of(task), task["args"])
        try:
            reached = None if checkpoint is None else file_sha256(checkpoint)
        except OSError:  # there is none yet
            reached = None
        before = self._reached.get(task["id"])
        if reached is not None:
            self._reached[task["id"]] = reached
        return reached not in (None, before)

    def _record(self, error: Exception, task: TaskRecord, kind: Kind, again: bool) -> None:
        entry = {
            "time": round(time.time(), 3),
            "app": app_of(task),
            "target": _target(task),
            "kind": kind.value,
            "error": " ".join(f"{type(error).__name__}: {error}".split()),
            "tried_again": again,
        }
        try:
            with fence(), open(self._path, "a") as file:
                file.write(json.dumps(entry) + "\n")
        except (OSError, Superseded) as refused:
            log.warning("cannot write %s: %s", self._path, refused)

    def _set_bad_node_aside(self, host: str, task: TaskRecord) -> None:
        """Send no more tasks to a node that lost several workers, as long as there is another."""
        executor = task["dfk"].executors[task["executor"]]
        self._losses[host] += 1
        if self._losses[host] < LOSSES_OF_A_BAD_NODE or not isinstance(executor, HighThroughputExecutor):
            return
        for manager in to_hold(executor.connected_managers(), host):
            log.warning("%s lost %d workers and is set aside", host, self._losses[host])
            executor._hold_manager(manager)


def to_hold(managers: list[dict[str, Any]], host: str) -> list[str]:
    """The managers on `host` that still take tasks; none if they are the only ones that do.

    A manager's name begins with that of its node.
    """
    active = [manager["manager"] for manager in managers if manager["active"]]
    here = [name for name in active if name.rpartition("-")[0] == host]
    return here if len(here) < len(active) else []


def _target(task: TaskRecord) -> str:
    """The name of the file that the task was to make; of one that was never ready, the app's name."""
    try:
        return target_of(app_of(task), task["args"], task["kwargs"]).path.name
    except Exception:  # its arguments are futures that failed
        return app_of(task)
