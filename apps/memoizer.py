"""Parsl's memory of finished tasks: the completion records in the run folder.

Parsl asks before it starts a task and once all that the task depends on is there. Nothing is kept
beside the records, which the workers write: a driver that dies forgets nothing, and a file that was
damaged, or made of other settings or inputs, is not taken for the task's result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from parsl.dataflow.memoization import Memoizer
from parsl.dataflow.taskrecord import TaskRecord

from apps.names import app_of
from apps.targets import TARGETS, target_of
from pipeline.results.artifacts import Artifact
from pipeline.results.records import discard, inspect

log = logging.getLogger(__name__)


class RecordMemoizer(Memoizer):
    """Answers for a task when its target's record holds; with `verify`, every file's SHA-256 is checked.

    `say` is told of each file that was damaged, in one line.
    """

    def __init__(self, verify: bool, say: Callable[[str], object]) -> None:
        self._verify = verify
        self._say = say

    def check_memo(self, task: TaskRecord) -> Future[Artifact] | None:
        """The finished artifact, or None where the task has to run; the reason goes to Parsl's log.

        Raises Unreadable, which fails the task: what it made before may be whole.
        """
        if app_of(task) not in TARGETS:  # it makes nothing itself, but by other tasks
            return None
        target = target_of(app_of(task), task["args"], task["kwargs"])
        found = inspect(target, self._verify)
        if isinstance(found, Artifact):
            answer: Future[Artifact] = Future()
            answer.set_result(found)
            return answer
        log.info("task %s, %s, runs: %s", task["id"], target.path, found.why)
        if found.is_damage:
            discard(target)
            self._say(f"made again: {target.path}: {found.why}")
        return None

    def start(self, *, run_dir: str, config_run_dir: str) -> None:
        """Nothing to load."""

    def update_memo_result(self, task: TaskRecord, r: Any) -> None:
        """Nothing to note: whoever made the artifact wrote its record."""

    def update_memo_exception(self, task: TaskRecord, e: BaseException) -> None:
        """Nothing to note: what failed is tried again by the next run."""

    def close(self) -> None:
        """Nothing to save."""
