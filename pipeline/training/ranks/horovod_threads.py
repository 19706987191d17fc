"""Horovod's own threads, and when they may take the core from the rank that computes on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TASKS = "/proc/self/task"


class HorovodThreads:
    """Threads that were begun while a context of `begun` was open.

    They wake up in every cycle of Horovod's, a millisecond by itself, to ask all ranks what there is to
    average. Mostly that is nothing, and taking turns with a rank that computes costs a tenth of a step and
    more. The scheduler lets a thread of SCHED_BATCH wait until the core is free, or a share of it is due.
    While ranks talk that would be wrong: where other programs use the core, every word would wait for them.
    """

    def __init__(self) -> None:
        self._threads: set[int] = set()

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Threads that begin meanwhile are those meant."""
        before = _threads()
        yield
        self._threads = _threads() - before
        try:
            self._put(os.SCHED_OTHER)  # which they have: whether it can be given back is to be known now
            self._put(os.SCHED_BATCH)
        except OSError as error:  # as where the system is emulated
            print(f"Horovod's threads may interrupt this rank while it computes: {error}", flush=True)
            self._threads = set()

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Meanwhile they have the core like any thread; at other times they give way to what computes."""
        self._put(os.SCHED_OTHER)
        try:
            yield
        finally:
            self._put(os.SCHED_BATCH)

    def _put(self, policy: int) -> None:
        for thread in self._threads:
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setscheduler(thread, policy, os.sched_param(0))


def _threads() -> set[int]:
    return {int(thread) for thread in os.listdir(TASKS)}
