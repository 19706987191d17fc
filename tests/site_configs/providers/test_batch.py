"""Blocks under Cobalt and PBS: submitted once, seen as they are, and never over because of a silence."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import SimpleLauncher
from parsl.providers.errors import SubmitException

from pipeline.errors import InputError
from site_configs.providers.batch import BatchProvider
from site_configs.providers.cobalt import CobaltProvider
from site_configs.providers.pbs import PbsProvider
from tests.emulators.cluster import Cluster

WAIT_S = 300
"""What a job sleeps that a test ends; far beyond the length of the test."""


class Site:
    """An emulated machine and the provider for it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.provider = self.new_provider()

    def new_provider(self, worker_init: str = "", scheduler_options: str = "") -> BatchProvider:
        kind = CobaltProvider if (self.cluster.bin / "aprun").exists() else PbsProvider
        provider: BatchProvider = kind(
            launcher=SimpleLauncher(),
            account="EM",
            worker_init=worker_init,
            scheduler_options=scheduler_options,
            max_blocks=2,
            walltime="00:30:00",
            cmd_timeout=20,
        )
        if isinstance(provider, PbsProvider):
            provider.filesystems = "home:eagle"
        provider.script_dir = str(self.folder / "submit scripts")  # a blank, as users have
        Path(provider.script_dir).mkdir(exist_ok=True)
        provider.retry_pause_s = 0.1
        return provider

    def submit(self, command: str) -> str:
        return self.provider.submit(command, 1, "parsl.tiles.block-0")

    def status(self, key: str) -> JobStatus:
        return self.provider.status([key])[0]

    def wait_for(self, key: str, state: JobState) -> JobStatus:
        self.cluster.wait_for(lambda: self.status(key).state is state)
        return self.status(key)

    def over(self, key: str) -> None:
        """Wait until the batch system has ended the job, without asking it as a provider would."""
        self.cluster.wait_for_state(key, "done")


@pytest.fixture(params=["cobalt", "pbs"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return Site(request.getfixturevalue(request.param), tmp_path)


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


def test_an_error_after_the_job_was_queued_queues_no_second(site: Site) -> None:
    site.cluster.break_next("qsub", after=True, returncode=1, stderr="Error submitting job\n")
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING)
    assert site.cluster.submissions() == 1


def test_a_job_that_ends_before_its_submission_is_confirmed_is_not_run_again(site: Site) -> None:
    site.cluster.break_next("qsub", after=True, returncode=1, delay_s=2)
    key = site.submit("exit 3")
    assert site.wait_for(key, JobState.FAILED).exit_code == 3
    assert site.cluster.submissions() == 1


def test_a_submission_that_fails_is_tried_again(site: Site) -> None:
    site.cluster.break_next("qsub", returncode=1, stderr="Connection refused\n")
    key = site.submit("true")
    site.wait_for(key, JobState.COMPLETED)
    assert site.cluster.submissions() == 1


def test_a_refusal_is_told_in_the_schedulers_words(site: Site) -> None:
    site.provider.nodes_per_block = 5
    with pytest.raises(SubmitException, match=r"node count out of|resource limits"):
        site.submit("true")
    assert not site.cluster.jobs()


@pytest.mark.parametrize(
    "words",
    [
        "qsub: would exceed queue debug's per-user limit",
        "The limit of 20 jobs per user in the 'default' queue has been reached",
    ],
)
def test_a_block_waits_for_a_queue_that_takes_no_more_of_this_users_jobs(site: Site, words: str) -> None:
    """A debug queue of one job: the block before is still there when the next is asked for."""
    for _ in range(4):
        site.cluster.break_next("qsub", returncode=1, stderr=words)
    key = site.submit("true")
    assert site.status(key).state is JobState.PENDING
    site.wait_for(key, JobState.COMPLETED)
    assert site.cluster.submissions() == 1


def test_a_missing_command_is_named(site: Site) -> None:
    (site.cluster.bin / "qsub").unlink()
    with pytest.raises(SubmitException, match="command not found: qsub"):
        site.submit("true")


@pytest.fixture
def unanswered(site: Site) -> Callable[..., str]:
    """Submit a block while qsub is not answering; returns the block's key."""

    def submit(*, queued: bool, command: str = f"sleep {WAIT_S}") -> str:
        site.cluster.break_next("qsub", after=queued, delay_s=WAIT_S)
        # Also what looks for the job gets no answer.
        site.cluster.break_next("qstat", delay_s=WAIT_S)
        site.cluster.break_next("qselect", delay_s=WAIT_S)
        site.provider.cmd_timeout = 3
        key = site.submit(command)
        site.cluster.change(faults=[])
        site.provider.cmd_timeout = 20
        return key

    return submit


def test_a_queued_job_whose_submission_got_no_answer_is_found(
    site: Site, unanswered: Callable[..., str]
) -> None:
    key = unanswered(queued=True)
    site.wait_for(key, JobState.RUNNING)
    assert site.cluster.submissions() == 1


def test_what_was_not_queued_is_submitted_again_after_several_looks(
    site: Site, unanswered: Callable[..., str]
) -> None:
    key = unanswered(queued=False)
    for _ in range(2):
        assert site.status(key).state is JobState.PENDING
        assert site.cluster.submissions() == 0
    site.wait_for(key, JobState.RUNNING)
    assert site.cluster.submissions() == 1


def test_a_block_without_answer_can_be_cancelled(site: Site, unanswered: Callable[..., str]) -> None:
    key = unanswered(queued=True)
    assert site.provider.cancel([key]) == [True]
    site.cluster.wait_for(lambda: all(job.state == "done" for job in site.cluster.jobs()))
    assert site.status(key).state is JobState.CANCELLED


def test_a_job_that_comes_late_after_its_cancellation_is_deleted(
    site: Site, unanswered: Callable[..., str]
) -> None:
    site.cluster.stop()
    key = unanswered(queued=True)
    (job,) = site.cluster.jobs()
    site.cluster.hide(str(job.id), 1)
    assert site.provider.cancel([key]) == [True]
    assert [job.state for job in site.cluster.jobs()] != ["done"]
    site.cluster.break_next("qdel", returncode=1)
    for _ in range(2):
        assert site.status(key).state is JobState.CANCELLED
    site.cluster.wait_for(lambda: all(job.state == "done" for job in site.cluster.jobs()))


def test_a_job_that_was_queued_twice_is_deleted_once(site: Site) -> None:
    """The first is not shown when it is looked for, so a second is queued; then both are there."""
    site.cluster.stop()
    site.cluster.break_next("qsub", after=True, returncode=1, hidden_for=2)
    key = site.submit("true")
    assert site.cluster.submissions() == 2
    (left,) = [job for job in site.cluster.jobs() if job.state != "done"]
    assert str(left.id) == key.split(".")[0]


def test_what_a_killed_driver_left_in_the_queue_is_deleted_by_the_next(site: Site) -> None:
    ended = site.submit("true")
    site.over(ended)
    site.cluster.stop()
    left = site.submit("true")
    second = site.new_provider()
    second.script_dir = str(site.folder)
    own = second.submit("true", 1)
    names = {script.stem for script in (site.folder / "submit scripts").glob("*.sh")}
    assert len(names) == 2
    assert second.delete_leftovers(names) == [left]
    assert second.delete_leftovers(names) == []
    assert [job.id for job in site.cluster.jobs() if job.state != "done"] == [int(own.split(".")[0])]


def test_a_silence_loses_nothing_and_submits_nothing_twice(site: Site) -> None:
    running = site.submit(f"sleep {WAIT_S}")
    site.wait_for(running, JobState.RUNNING)
    site.provider.cmd_timeout = 0.3
    site.cluster.silence(4)
    new = site.submit(f"sleep {WAIT_S}")
    while time.time() < site.cluster.system.peek().silent_until:
        assert [s.state for s in site.provider.status([running, new])] == [JobState.RUNNING, JobState.PENDING]
    site.provider.cmd_timeout = 20
    site.wait_for(new, JobState.RUNNING)
    assert site.status(running).state is JobState.RUNNING
    assert site.cluster.submissions() == 2


def test_the_executor_may_write_into_a_status(site: Site) -> None:
    key = site.submit(f"sleep {WAIT_S}")
    site.wait_for(key, JobState.RUNNING).state = JobState.MISSING
    assert site.status(key).state is JobState.RUNNING


def test_scheduler_options_must_be_directives(site: Site) -> None:
    with pytest.raises(InputError, match="'--attrs x' is not a line that starts with '#"):
        site.new_provider(scheduler_options="--attrs x").submit_script("true")
