"""Blocks that wait in the queue of a real Slurm: what somebody does to them there is no fault of theirs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import parsl
import pytest
from parsl.app.python import PythonApp
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import HighThroughputExecutor
from parsl.jobs.states import JobState

import site_configs
from apps.failures import FailurePolicy
from pipeline.run_folder import Run
from tests.sites import run_on


@pytest.mark.usefixtures("slurm")
def test_blocks_that_a_user_cancels_in_the_queue_are_replaced(tmp_path: Path) -> None:
    site = {"tile_nodes": 1, "tile_jobs": 3, "workers": 1, "poll_s": 1}
    run = run_on("slurm", 8, **site, scheduler_options=["--begin=now+1hour"])
    run = Run(tmp_path, run.config)
    run.logs_folder.mkdir()
    kernel = parsl.load(site_configs.parsl_config(run, BasicMemoizer(), FailurePolicy(run.failures_log)))
    try:
        tiles = kernel.executors["tiles"]
        assert isinstance(tiles, HighThroughputExecutor)
        tasks = [PythonApp(os.getpid, data_flow_kernel=kernel, executors=["tiles"])() for _ in range(3)]
        wait_for(lambda: len(tiles.blocks_to_job_id) == 3)
        subprocess.run(["scancel", *tiles.blocks_to_job_id.values()], check=True)
        wait_for(lambda: len(tiles.blocks_to_job_id) == 6)
        states = [tiles.status_facade[str(block)].state for block in range(3)]
        assert states == [JobState.CANCELLED] * 3
        assert not any(task.done() for task in tasks)
    finally:
        kernel.cleanup()
        parsl.clear()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
