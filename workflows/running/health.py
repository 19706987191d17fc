"""What the driver must notice by itself, because Parsl does not: and how to leave when Parsl cannot stop."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from parsl.executors import HighThroughputExecutor
from parsl.executors.base import ParslExecutor
from parsl.executors.status_handling import BlockProviderExecutor

from pipeline.errors import Unreadable
from pipeline.results.attempts import Attempt

if TYPE_CHECKING:
    from parsl.dataflow.dflow import DataFlowKernel


class InterchangeDied(RuntimeError):  # noqa: N818 - says what happened
    """An executor has lost the process that passes tasks to its workers; Parsl waits for it without end."""


def check(kernel: DataFlowKernel, attempt: Attempt) -> None:
    """Raise InterchangeDied or Superseded when the run cannot go on."""
    with suppress(Unreadable):  # a file system that does not answer now may do so again
        attempt.check()
    for executor in kernel.executors.values():
        if _is_dead(executor):
            raise InterchangeDied(
                f"Parsl's interchange for executor {executor.label!r} has died; what is finished is kept. "
                f"Logs: {kernel.run_dir}. Run the same command again to go on."
            )


def can_stop(kernel: DataFlowKernel) -> bool:
    """Whether Parsl can stop in order: it waits without end for an interchange that is dead."""
    return not any(_is_dead(executor) for executor in kernel.executors.values())


def abandon(kernel: DataFlowKernel, attempt: Attempt, code: int, why: str) -> NoReturn:
    """End a run that Parsl cannot end: cancel its blocks, end its processes here, and exit with `code`."""
    for executor in kernel.executors.values():
        if isinstance(executor, BlockProviderExecutor) and executor.provider is not None:
            running = [block for block, status in executor.status_facade.items() if not status.terminal]
            executor.provider.cancel([executor.blocks_to_job_id[block] for block in running])
    try:
        attempt.end(code, why)
    finally:
        os._exit(code)


def _is_dead(executor: ParslExecutor) -> bool:
    """Whether the executor had an interchange, a child of this process, that has ended."""
    if not isinstance(executor, HighThroughputExecutor) or executor.interchange_proc is None:
        return False
    return executor.interchange_proc.poll() is not None
