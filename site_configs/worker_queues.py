"""What the workers of a pool share, so that one that is killed at any moment takes no result with it.

A queue of Python's gives what is put into it to a thread, which writes it when it comes to it: a worker of
Parsl's that is killed by its next task, or for it, loses the result of the one before, and nobody tries that
one again. Here a worker has written a result before it takes another task.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.queues
import queue
from multiprocessing.context import SpawnContext
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

WRITING_S = 10
"""Longer than any living worker takes to write what it has, with the lock that all of them need for it."""


if TYPE_CHECKING:  # where alone it is generic
    _Queue = multiprocessing.queues.Queue[Any]
else:
    _Queue = multiprocessing.queues.Queue


class Queue(_Queue):
    """A queue between a pool and its workers; what a worker puts is whole in its pipe when `put` returns."""

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add `obj`. Raises queue.Full after `timeout` seconds.

        The pool itself never waits: workers may be busy for hours with what it put before.
        """
        if multiprocessing.parent_process() is None:
            return super().put(obj, block, timeout)
        if not self._sem.acquire(block, timeout):  # type: ignore[attr-defined]
            raise queue.Full
        with self._wlock:  # type: ignore[attr-defined]
            self._writer.send_bytes(ForkingPickler.dumps(obj))  # type: ignore[attr-defined]


class Locks:
    """The locks that all workers of a pool need: one that died with it holds up all of the others."""

    def __init__(self, context: SpawnContext) -> None:
        """Let `context` make queues as above, and remember the locks of all that it makes."""
        self._locks: list[Any] = []
        make_value = context.Value

        def make_queue(maxsize: int = 0) -> Queue:
            made = Queue(maxsize, ctx=context)
            self._locks.append(made._wlock)  # type: ignore[attr-defined]
            return made

        def make_locked_value(*arguments: Any) -> Any:
            made = make_value(*arguments)
            self._locks.append(made.get_lock())
            return made

        context.Queue = make_queue  # type: ignore[method-assign]
        context.Value = make_locked_value  # type: ignore[method-assign, assignment]

    def lost(self, patience_s: float = WRITING_S) -> bool:
        """Whether one of them is held for longer than the living do."""
        for lock in self._locks:
            if not lock.acquire(timeout=patience_s):
                return True
            lock.release()
        return False
