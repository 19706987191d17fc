"""Parsl's worker pool, mended where a killed process would leave others behind or waiting without end.

Run as module `site_configs.worker_pool process_worker_pool.py ...` on the machine where the workers are.
"""

from __future__ import annotations

import functools
import logging
import multiprocessing
import multiprocessing.managers
import multiprocessing.spawn
import os
import platform
import runpy
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

from pipeline.machine.processes import die_with_parent
from pipeline.machine.sockets import keep_sockets_short
from site_configs.worker_queues import Locks

DEATH = "has died"
IDLE_DEATH = "was not busy when it died"
WORKER = "HTEX-Worker-"
"""Begins the name that Parsl gives the process of a worker."""


def main() -> None:
    """Run the script that the command line names: beside this Python, or on PATH.

    The pool's name begins with that of its node, which Parsl does not tell otherwise.
    """
    sys.argv = [*sys.argv[1:], "--uid", f"{platform.node()}-{uuid.uuid4().hex[:8]}"]
    beside = Path(sys.executable).parent / sys.argv[0]
    script = str(beside) if beside.exists() else shutil.which(sys.argv[0])
    if script is None:
        raise FileNotFoundError(f"Parsl's {sys.argv[0]} is neither beside {sys.executable} nor on PATH")
    keep_sockets_short()
    _tie_shared_state_to_this_process()
    _load_no_more_than_is_used()
    logging.getLogger("parsl.executors.high_throughput.process_worker_pool").addFilter(
        functools.partial(_leave_where_others_would_wait, Locks(multiprocessing.get_context("spawn")))
    )
    runpy.run_path(script, run_name="__main__")


def _tie_shared_state_to_this_process() -> None:
    """The process that serves the pool's shared state has no other way to notice that the pool was killed."""
    start = multiprocessing.managers.SyncManager.start

    def start_tied(server: multiprocessing.managers.SyncManager) -> None:
        start(server, initializer=die_with_parent, initargs=(os.getpid(),))

    multiprocessing.managers.SyncManager.start = start_tied  # type: ignore[method-assign,assignment]


def _load_no_more_than_is_used() -> None:
    """A process that is spawned would load the pool's script, for the file of `__main__`, and all of Parsl.

    A worker needs one function of it, and the process that serves the shared state nothing.
    """
    prepare = multiprocessing.spawn.get_preparation_data

    def prepare_lightly(name: str) -> dict[str, Any]:
        given: dict[str, Any] = prepare(name)
        given.pop("init_main_from_path", None)
        if name.startswith(WORKER):
            given["init_main_from_name"] = "site_configs.worker"
        return given

    multiprocessing.spawn.get_preparation_data = prepare_lightly


def _leave_where_others_would_wait(locks: Locks, record: logging.LogRecord) -> bool:
    """End the pool, to be replaced by Parsl, when the other workers would wait for one that was killed.

    If it was waiting for a task, it may have held the lock of the queue that all workers of the pool read:
    none would get a task again. Or it had just taken one, which Parsl then counts as waiting and never gives
    to another. If it was writing a result, it held the lock that all write with.
    """
    if IDLE_DEATH in record.msg or (DEATH in record.msg and locks.lost()):
        os._exit(1)
    return True


if __name__ == "__main__":
    main()
