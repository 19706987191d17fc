"""Blocks under Cobalt and PBS: seen as they are, and never over because of a silence."""

from __future__ import annotations

from pathlib import Path

import psutil
from parsl.jobs.states import JobState

from tests.site_configs.providers.emulated_site import WAIT_S, Site


def test_a_block_runs_and_completes(site: Site) -> None:
    site.cluster.stop()
    key = site.submit("echo hello")
    assert site.status(key).state is JobState.PENDING
    site.cluster.start()
    status = site.wait_for(key, JobState.COMPLETED)
    assert (status.exit_code, status.stdout) == (0, "hello\n")


def test_a_block_is_known_by_the_schedulers_id(site: Site) -> None:
    site.cluster.stop()
    key = site.submit("true")
    job = site.cluster.job(key)
    assert job is not None
    assert job.name.startswith("parsl.tiles.block-0.")


def test_a_running_block_is_running(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING)


def test_a_failure_is_seen_with_its_exit_code_and_error(site: Site) -> None:
    provider = site.new_provider(worker_init="echo no such environment >&2")
    key = provider.submit("exit 7", 1)
    site.over(key)
    site.cluster.wait_for(lambda: provider.status([key])[0].state is JobState.FAILED)
    status = provider.status([key])[0]
    assert (status.exit_code, status.stderr_summary) == (7, "no such environment\n")


def test_running_out_of_walltime_is_not_a_failure(site: Site) -> None:
    site.cluster.change(minute_s=0.03, grace_s=0.2)
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.TIMEOUT)


def test_a_block_deleted_by_hand_is_cancelled(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING)
    site.cluster.run("qdel", key)
    site.wait_for(key, JobState.CANCELLED)


def test_cancelling_ends_the_processes_and_may_be_repeated(site: Site, tmp_path: Path) -> None:
    key = site.submit(f"echo $$ > '{tmp_path}/pid'; exec sleep {WAIT_S}")
    pid_file = tmp_path / "pid"
    site.cluster.wait_for(lambda: pid_file.exists() and pid_file.read_text())
    assert site.provider.cancel([key]) == [True]
    assert site.provider.cancel([key]) == [True]
    assert site.status(key).state is JobState.CANCELLED
    site.cluster.wait_for(lambda: not psutil.pid_exists(int(pid_file.read_text())))


def test_cancelling_what_has_ended_is_no_error(site: Site) -> None:
    key = site.submit("true")
    site.over(key)
    assert site.provider.cancel([key]) == [True]


def test_a_cancellation_that_fails_is_tried_again(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.cluster.break_next("qdel", returncode=1, stderr="Failed to connect to the server\n")
    assert site.provider.cancel([key]) == [True]
    site.over(key)


def test_a_cancellation_without_answer_is_not_taken_for_done(site: Site) -> None:
    keys = [site.submit(f"sleep {WAIT_S}") for _ in range(2)]
    for _ in range(site.provider.attempts):
        site.cluster.break_next("qdel", returncode=1, stderr="Failed to connect to the server\n")
    site.cluster.break_next("qdel", delay_s=WAIT_S)
    site.provider.attempts, site.provider.cmd_timeout = 2, 3
    assert site.provider.cancel(keys) == [False, False]
    site.provider.cmd_timeout = 20
    assert site.provider.cancel(keys) == [True, True]


def test_a_held_block_is_held_and_takes_a_place(site: Site) -> None:
    site.cluster.stop()
    key = site.submit("true")
    site.cluster.hold(key)
    assert site.status(key).state is JobState.HELD
    assert site.provider.max_blocks == 1
    site.cluster.hold(key, by="")
    assert site.status(key).state is JobState.PENDING
    assert site.provider.max_blocks == 2


def test_a_status_command_that_fails_changes_nothing(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING)
    for _ in range(5):
        site.cluster.break_next("qstat", returncode=1, stderr="Failed to connect to the server\n")
        assert site.status(key).state is JobState.RUNNING


def test_a_status_command_that_hangs_changes_nothing(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING)
    site.provider.cmd_timeout = 0.3
    for _ in range(4):
        site.cluster.break_next("qstat", delay_s=WAIT_S)
        assert site.status(key).state is JobState.RUNNING
    assert not [p for p in psutil.Process().children(recursive=True) if "qstat" in " ".join(p.cmdline())]


def test_garbage_from_the_status_command_changes_nothing(site: Site, tmp_path: Path) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING)
    (site.cluster.bin / "qstat").write_text("#!/bin/bash\necho Warning: maintenance on Monday\n")
    for _ in range(5):
        assert site.status(key).state is JobState.RUNNING


def test_a_block_that_is_not_shown_for_a_moment_is_not_over(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING)
    site.cluster.hide(key, 2)
    for _ in range(4):
        assert site.status(key).state is JobState.RUNNING


def test_a_block_that_has_gone_without_a_trace_is_missing(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING)
    site.cluster.vanish(key)
    states = [site.status(key).state for _ in range(3)]
    assert states == [JobState.RUNNING, JobState.RUNNING, JobState.MISSING]


def test_the_executor_may_write_into_a_status(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING).state = JobState.MISSING
    assert site.status(key).state is JobState.RUNNING
