"""A task that kills the worker that runs it, and processes that end by being killed."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.queues import Queue
from pathlib import Path
from types import FrameType
from typing import Any


def die_writing(tries: Path) -> str:
    """Kill the worker that runs this, the first time, as one that is writing a result.

    It then has the lock that all workers write with. `tries` gets an x each time.
    """
    with open(tries, "a") as file:
        file.write("x")
    if tries.stat().st_size == 1:
        frame: FrameType | None = sys._getframe()
        while frame is not None and "result_queue" not in frame.f_locals:
            frame = frame.f_back
        assert frame is not None
        frame.f_locals["result_queue"]._wlock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def put_and_die(queue: Queue[Any], value: Any) -> None:
    """Put a value, and be killed at once."""
    queue.put(value)
    os.kill(os.getpid(), signal.SIGKILL)


def lock_and_die(lock: Any) -> None:
    """Take a lock, and be killed with it."""
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)
