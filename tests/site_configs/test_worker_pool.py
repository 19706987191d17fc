"""Killed processes of a worker pool leave nothing behind and nobody waiting."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import parsl
import psutil
import pytest
from parsl.app.python import PythonApp
from parsl.dataflow.dflow import DataFlowKernel
from parsl.dataflow.memoization import BasicMemoizer

from apps.failures import FailurePolicy
from pipeline.config import RunConfig
from pipeline.run_folder import Run
from site_configs import parsl_config
from tests.site_configs.deadly import die_writing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are tied by a Linux call"),
]


LONG_S = 1200
"""What hangs ends by it; no machine is as slow."""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[DataFlowKernel]:
    """Parsl with the executors of the local site; `train` has one worker."""
    (tmp_path / "logs").mkdir()
    run = Run(tmp_path, RunConfig())
    yield parsl.load(parsl_config(run, BasicMemoizer(), FailurePolicy(run.failures_log)))
    parsl.dfk().cleanup()
    parsl.clear()


def test_a_worker_killed_while_it_waits_for_a_task_is_replaced(kernel: DataFlowKernel) -> None:
    process_id = PythonApp(os.getpid, data_flow_kernel=kernel, executors=["train"])
    worker = process_id().result(timeout=LONG_S)
    time.sleep(1)  # the worker waits for its next task now, and holds the lock of the queue
    os.kill(worker, signal.SIGKILL)
    assert process_id().result(timeout=LONG_S) != worker


def test_nothing_is_left_of_a_pool_whose_manager_was_killed(kernel: DataFlowKernel) -> None:
    managers_id = PythonApp(os.getppid, data_flow_kernel=kernel, executors=["train"])
    manager = managers_id().result(timeout=LONG_S)
    pool = [psutil.Process(manager), *psutil.Process(manager).children(recursive=True)]
    assert len(pool) >= 4  # manager, its shared state, resource tracker, worker
    spawned = [process for process in pool if "spawn_main" in " ".join(process.cmdline())]
    with_parsl = [process for process in spawned if any("zmq" in part.path for part in process.memory_maps())]
    assert len(spawned) == len(with_parsl) + 1, "the shared state is served by a process that loads no Parsl"
    os.kill(manager, signal.SIGKILL)
    _, alive = psutil.wait_procs(pool, timeout=LONG_S)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert managers_id().result(timeout=LONG_S) != manager


def test_a_worker_killed_as_it_writes_its_result_holds_up_nobody(
    kernel: DataFlowKernel, tmp_path: Path
) -> None:
    assert PythonApp(die_writing, data_flow_kernel=kernel, executors=["tiles"])(tmp_path / "tries").result(
        timeout=LONG_S
    )
    assert (tmp_path / "tries").read_text() == "xx"
