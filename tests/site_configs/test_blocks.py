"""Blocks that end: tasks are not started on them too late, are not lost with them, and some are given up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import check_call

import parsl
import pytest
from parsl.app.python import PythonApp
from parsl.dataflow.dflow import DataFlowKernel
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import HighThroughputExecutor
from parsl.executors.errors import BadStateException
from parsl.jobs.states import JobState, JobStatus
from parsl.providers import LocalProvider

from apps.failures import FailurePolicy
from pipeline.config import RunConfig, Site
from pipeline.run_folder import Run
from site_configs import blocks as blocks_of_a_run
from site_configs import parsl_config
from site_configs.blocks import drain_period_s, give_up_on_barren_blocks

pytestmark = pytest.mark.slow


@contextmanager
def local_site(folder: Path, site: Site, worker_init: str = "") -> Iterator[DataFlowKernel]:
    (folder / "logs").mkdir()
    run = Run(folder, RunConfig(site=site))
    config = parsl_config(run, BasicMemoizer(), FailurePolicy(run.failures_log))
    for executor in config.executors:
        if isinstance(executor, HighThroughputExecutor):
            assert isinstance(executor.provider, LocalProvider)
            executor.provider.worker_init = worker_init
    kernel = parsl.load(config)
    try:
        yield kernel
    finally:
        kernel.cleanup()
        parsl.clear()


def failures(folder: Path) -> list[str]:
    log = folder / "logs" / "failures.jsonl"
    return [json.loads(line)["kind"] for line in log.read_text().splitlines()] if log.exists() else []


def blocks(kernel: DataFlowKernel) -> int:
    executor = kernel.executors["tiles"]
    assert isinstance(executor, HighThroughputExecutor)
    return len(set(executor.connected_blocks()))


def test_a_block_takes_no_task_that_it_could_not_end(tmp_path: Path) -> None:
    # far apart: the walltime begins long before a worker is up where the machine is busy
    with local_site(tmp_path, Site(workers=1, walltime_s=120, tile_time_s=110)) as kernel:
        run = PythonApp(check_call, data_flow_kernel=kernel, executors=["tiles"])
        for future in [run(["sleep", "4"]) for _ in range(4)]:
            future.result(timeout=300)
        assert blocks(kernel) >= 2
    assert failures(tmp_path) == []


def test_a_task_whose_block_is_ended_at_its_walltime_is_done_on_the_next(tmp_path: Path) -> None:
    slow_at_first = f"if mkdir {tmp_path}/began; then sleep 100; fi"
    with local_site(tmp_path, Site(workers=1, walltime_s=15, tile_time_s=1)) as kernel:
        run = PythonApp(check_call, data_flow_kernel=kernel, executors=["tiles"])
        run(["sh", "-c", slow_at_first]).result(timeout=300)
        assert blocks(kernel) >= 2
    assert failures(tmp_path) == ["lost"]


def test_parsls_log_does_not_grow_while_nothing_happens(tmp_path: Path) -> None:
    """A run may wait for days, and `ffn status` shows the warnings that stand near its end."""
    with local_site(tmp_path, Site(workers=1)) as kernel:
        run = PythonApp(check_call, data_flow_kernel=kernel, executors=["tiles"])
        run(["sleep", "3"]).result(timeout=300)
        log = (Path(kernel.run_dir) / "parsl.log").read_text()
    assert "Scaling out" in log
    assert "Strategizing" not in log
    assert "_general_strategy on thread" not in log


def test_blocks_in_which_no_worker_comes_up_are_given_up_in_the_jobs_own_words(tmp_path: Path) -> None:
    with local_site(tmp_path, Site(), "echo 'module: no such module' >&2; exit 3") as kernel:
        run = PythonApp(check_call, data_flow_kernel=kernel, executors=["tiles"])
        with pytest.raises(BadStateException, match=r"ended before a worker came up.*no such module"):
            run(["true"]).result(timeout=300)
    assert failures(tmp_path) == ["permanent"]


def test_where_one_kind_of_jobs_is_given_up_its_others_leave_the_queue_and_the_other_kinds_go_on(
    tmp_path: Path,
) -> None:
    """Of five blocks three end at once, and two hang: nobody would end these."""
    barren = f"for n in 0 1 2; do if mkdir {tmp_path}/$n 2>/dev/null; then exit 3; fi; done; sleep 300"
    with local_site(tmp_path, Site()) as kernel:
        executor = tiles_of(kernel, barren, at_once=5)
        run = PythonApp(check_call, data_flow_kernel=kernel, executors=["tiles"])
        futures = [run(["true"]) for _ in range(20)]
        with pytest.raises(BadStateException):
            futures[0].result(timeout=300)
        wait_until(lambda: all(status.terminal for status in executor.status_facade.values()))
        states = [status.state for status in executor.status_facade.values()]
        assert states.count(JobState.SCALED_IN) >= 2
        time.sleep(2)  # some more looks at blocks
        PythonApp(check_call, data_flow_kernel=kernel, executors=["train"])(["true"]).result(timeout=300)
        assert "Callback threw" not in (Path(kernel.run_dir) / "parsl.log").read_text()


def test_while_a_block_works_others_that_end_at_once_are_the_fault_of_their_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with local_site(tmp_path, Site(workers=1)) as kernel:
        executor = tiles_of(kernel, f"mkdir {tmp_path}/good || exit 3", at_once=4)
        run = PythonApp(check_call, data_flow_kernel=kernel, executors=["tiles"])
        done = f"until [ -e {tmp_path}/done ]; do sleep 0.1; done"
        first = run(["sh", "-c", done])
        wait_until(executor.connected_managers)
        others = [run(["true"]) for _ in range(3)]
        wait_until(lambda: sum(status.terminal for status in executor.status_facade.values()) >= 5)
        (tmp_path / "done").touch()
        assert [task.result(timeout=300) for task in (first, *others)] == [0] * 4
        warned = [one for one in caplog.messages if "blocks of executor 'tiles' ended before a worker" in one]
        assert 1 <= len(warned) <= len(executor.status_facade) / 3
        assert warned[0].endswith("others work")


def test_where_the_batch_system_can_be_told_so_others_avoid_the_node_of_those_that_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[object]] = []

    class Batch(LocalProvider):
        def avoid(self, job_ids: list[object]) -> str:
            given.append(job_ids)
            return "n3"

    monkeypatch.setattr(blocks_of_a_run, "BatchProvider", Batch)
    with local_site(tmp_path, Site(workers=1)) as kernel:
        executor = kernel.executors["tiles"]
        assert isinstance(executor, HighThroughputExecutor)
        states = {str(n): JobStatus(JobState.FAILED) for n in range(1, 4)} | {
            "0": JobStatus(JobState.RUNNING)
        }
        executor.blocks_to_job_id = {block: f"job{block}" for block in states}
        monkeypatch.setattr(executor, "connected_blocks", lambda: ["0"])
        monkeypatch.setattr(executor.provider, "__class__", Batch)
        told: set[str] = set()
        for _ in range(3):
            give_up_on_barren_blocks(told, executor, states)
        executor.blocks_to_job_id = {}
    assert given == [["job1", "job2", "job3"]]
    (warned,) = [one for one in caplog.messages if "blocks of executor 'tiles' ended before a worker" in one]
    assert warned.endswith("others work, and later ones avoid n3")


def tiles_of(kernel: DataFlowKernel, worker_init: str, at_once: int) -> HighThroughputExecutor:
    """The executor, whose blocks begin with `worker_init`, so many at once."""
    executor = kernel.executors["tiles"]
    assert isinstance(executor, HighThroughputExecutor)
    assert isinstance(executor.provider, LocalProvider)
    executor.provider.worker_init, executor.provider.max_blocks = worker_init, at_once
    return executor


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def test_blocks_that_are_given_back_before_they_began_are_no_failure(tmp_path: Path) -> None:
    """Of many jobs a long queue starts one, which does all the work; the others are cancelled after it."""
    with local_site(tmp_path, Site()) as kernel:
        executor = kernel.executors["tiles"]
        assert isinstance(executor, HighThroughputExecutor)
        give_up_on_barren_blocks(
            set(), executor, {str(n): JobStatus(JobState.SCALED_IN) for n in range(1, 8)}
        )
        PythonApp(check_call, data_flow_kernel=kernel, executors=["tiles"])(["true"]).result(timeout=300)


def test_blocks_that_worked_and_were_given_back_lie_between_others_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a run of days a node fails now and then as a job starts: those are not three in a row."""
    with local_site(tmp_path, Site()) as kernel:
        executor = kernel.executors["tiles"]
        assert isinstance(executor, HighThroughputExecutor)
        states = [JobState.FAILED, JobState.SCALED_IN] * 3
        status = {str(number): JobStatus(state) for number, state in enumerate(states)}
        monkeypatch.setattr(executor, "connected_blocks", lambda: ["1", "3", "5"])
        give_up_on_barren_blocks(set(), executor, status)
        assert not executor.bad_state_is_set
        monkeypatch.setattr(executor, "connected_blocks", lambda: [])
        give_up_on_barren_blocks(set(), executor, status)
        assert executor.bad_state_is_set


def test_without_a_walltime_a_block_is_never_drained() -> None:
    assert drain_period_s(Site()) is None
    assert drain_period_s(Site(walltime_s=3600, tile_time_s=600)) == 3000
    assert drain_period_s(Site(walltime_s=60, tile_time_s=600)) == 1
