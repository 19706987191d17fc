"""Blocks under Cobalt and PBS are submitted once, whatever the scheduler answers, and none is left behind."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from parsl.jobs.states import JobState
from parsl.providers.errors import SubmitException

from pipeline.errors import InputError
from site_configs.providers.batch import FULL
from tests.site_configs.providers.emulated_site import WAIT_S, Site


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


def test_a_block_waits_for_a_server_that_is_being_started_again(site: Site) -> None:
    """For minutes, in which every qsub fails at once."""
    for _ in range(4):
        words = "Connection refused\nqsub: cannot connect to server pbs01 (errno=15010)\n"
        site.cluster.break_next("qsub", returncode=1, stderr=words)
    key = site.submit("true")
    assert site.status(key).state is JobState.PENDING
    site.wait_for(key, JobState.COMPLETED)
    assert site.cluster.submissions() == 1


@pytest.mark.parametrize(
    ("words", "is_full"),
    [
        ("qsub: would exceed complex's per-group limit of jobs in 'Q' state", True),
        ("qsub: Maximum number of jobs for user em already in queue debug", True),
        ("qsub: Maximum number of jobs in 'Q' state for project EM already in complex", True),
        ("sbatch: error: AssocGrpSubmitJobsLimit", True),
        ("sbatch: error: MaxSubmitJobsPerAccount", True),
        ("sbatch: error: QOSMaxWallDurationPerJobLimit (job submit limit, user's size and/or time)", False),
        ("qsub: Job violates queue and/or server resource limits", False),
    ],
)
def test_a_queue_that_is_full_is_told_from_one_that_never_takes_such_a_job(words: str, is_full: bool) -> None:
    assert bool(FULL.search(words)) == is_full


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


def test_scheduler_options_must_be_directives(site: Site) -> None:
    with pytest.raises(InputError, match="'--attrs x' is not a line that starts with '#"):
        site.new_provider(scheduler_options="--attrs x").submit_script("true")
