"""The Slurm provider on a real Slurm without accounting: what became of a job is told as it was."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import SimpleLauncher
from parsl.providers.errors import SubmitException

from site_configs import slurm_jobs
from site_configs.cluster import worker_init
from site_configs.described import machine
from site_configs.partitions import limits_of
from site_configs.placement import pools
from site_configs.providers.scheduler import QueuedJob
from site_configs.providers.slurm import SlurmProvider
from site_configs.stage_jobs import stage_jobs
from tests.real_slurm import end_walltime
from tests.sites import run_on

pytestmark = pytest.mark.usefixtures("slurm")

NOT_ANSWERED = """
if mkdir {folder}/asked 2>/dev/null; then
  {real} "$@" >/dev/null
  echo 'sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received' >&2; exit 1
fi
exec {real} "$@"
"""

NOT_NOW = """
if [ -e {folder}/busy ]; then cat {folder}/busy >&2; exit 1; fi
exec {real} "$@"
"""


@pytest.fixture
def provider(tmp_path: Path) -> SlurmProvider:
    provider = SlurmProvider(poll_s=1, walltime="00:01:00", exclusive=False, launcher=SimpleLauncher())
    provider.script_dir = str(tmp_path)
    provider.retry_pause_s = 0.1
    return provider


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a script before a command of Slurm's on PATH; in it {real} is the command, {folder} one for it."""

    def put(name: str, script: str) -> None:
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!/bin/sh\n{script.format(folder=tmp_path, real=shutil.which(name))}\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")

    return put


def status(provider: SlurmProvider, job_id: str) -> JobStatus:
    found: JobStatus = provider.status([job_id])[0]
    return found


def ended(provider: SlurmProvider, job_id: str) -> JobStatus:
    wait_until(lambda: status(provider, job_id).terminal)
    return status(provider, job_id)


def test_jobs_that_share_nodes_run_beside_each_other_on_one(tmp_path: Path) -> None:
    options = {"scheduler_options": ["--nodelist=n1"], "share_nodes": True, "tile_nodes": 1}
    run = run_on("slurm", 2, walltime_s=120, threads_per_worker=1, workers=2, **options)
    (tiles, *_), here = stage_jobs(run, machine("slurm")), machine("slurm")
    sharing = slurm_jobs.provider(run, here, tiles, SimpleLauncher(), "")
    sharing.script_dir = str(tmp_path)
    jobs = [sharing.submit("sleep 60", 1, f"beside{number}") for number in range(2)]
    wait_until(lambda: all(status(sharing, job).state is JobState.RUNNING for job in jobs))
    sharing.cancel(jobs)


def test_a_job_that_fails_is_told_from_one_that_completes(provider: SlurmProvider) -> None:
    good = provider.submit("true", 1)
    bad = provider.submit("echo 'no such module' >&2; exit 3", 1)
    assert ended(provider, good).state is JobState.COMPLETED
    failure = ended(provider, bad)
    assert (failure.state, failure.exit_code) == (JobState.FAILED, 3)
    assert failure.stderr_path is not None
    assert Path(failure.stderr_path).read_text() == "no such module\n"
    assert status(provider, good).state is JobState.COMPLETED, "it is what it was, when others are asked for"


def test_jobs_that_slurm_ended_or_holds_are_told_as_such(provider: SlurmProvider) -> None:
    cancelled, lost = provider.submit("sleep 300", 1), provider.submit("sleep 300", 1)
    wait_until(lambda: status(provider, lost).state is JobState.RUNNING)
    subprocess.run(["scancel", cancelled], check=True)
    assert ended(provider, cancelled).state is JobState.CANCELLED
    node = subprocess.check_output(["squeue", "-ho", "%N", "-j", lost], text=True).strip()
    assert node
    subprocess.run(["scontrol", "update", f"node={node}", "state=down", "reason=test"], check=True)
    failure = ended(provider, lost)
    subprocess.run(["scontrol", "update", f"node={node}", "state=resume"], check=False)
    assert (failure.state, failure.message) == (JobState.FAILED, "NODE_FAIL, NodeDown")


def test_a_job_that_is_held_takes_a_place_so_that_no_other_is_submitted_beside_it(
    provider: SlurmProvider,
) -> None:
    provider.scheduler_options = "#SBATCH --hold"
    held = provider.submit("sleep 300", 1)
    assert (status(provider, held).state, status(provider, held).message) == (JobState.HELD, "JobHeldUser")
    assert provider.max_blocks == 0
    subprocess.run(["scontrol", "release", held], check=True)
    wait_until(lambda: status(provider, held).state is JobState.RUNNING)
    assert provider.max_blocks == 1
    subprocess.run(["scontrol", "suspend", held], check=True)
    assert status(provider, held).state is JobState.HELD
    assert provider.max_blocks == 0
    assert provider.cancel([held]) == [True]


def test_variables_of_a_users_change_neither_what_is_asked_for_nor_what_is_seen(
    provider: SlurmProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They count for more than the script of a job, and for whatever a command is asked."""
    variables = {
        "SBATCH_TIMELIMIT": "5",
        "SBATCH_JOB_NAME": "mine",
        "SBATCH_REQUEUE": "1",
        "SBATCH_ARRAY_INX": "0-1",
        "SQUEUE_PARTITION": "other",
        "SQUEUE_USERS": "nobody",
        "SINFO_PARTITION": "other",
        "SCANCEL_INTERACTIVE": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    job = provider.submit("sleep 300", 1, "parsl.tiles")
    show = ["scontrol", "--oneliner", "show", "job", job]
    shown = subprocess.check_output(show, text=True)
    assert {"TimeLimit=00:01:00", "Requeue=0"} <= set(shown.split())
    assert "JobName=parsl.tiles." in shown
    wait_until(lambda: status(provider, job).state is JobState.RUNNING)
    assert limits_of("debug")[1][0].nodes == 4
    assert provider.cancel([job]) == [True]
    wait_until(lambda: "JobState=CANCELLED" in subprocess.check_output(show, text=True))


def test_a_job_that_is_submitted_from_inside_another_has_nothing_of_that_one(
    provider: SlurmProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by site.within_job=no in `salloc --mem-per-cpu=100`: srun refuses to start with both."""
    for name, value in {"JOB_ID": "1", "MEM_PER_CPU": "100", "DISTRIBUTION": "nonsense"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    provider.scheduler_options = "#SBATCH --mem=1000"
    job = provider.submit("srun --ntasks=1 -l --cpu-bind=none true", 1)
    assert ended(provider, job).state is JobState.COMPLETED


def test_workers_have_what_their_job_has_set_up_where_a_user_exports_nothing(tmp_path: Path) -> None:
    """By --export=NONE, as many centres advise, sbatch lets srun in the job do the same."""
    init = "export OF_A_MODULE=here SLURM_EXPORT_ENV=NONE"
    run = run_on("slurm", 2, tile_nodes=1, walltime_s=660, worker_init=init)
    (tiles, *_), here = stage_jobs(run, machine("slurm")), machine("slurm")
    nodes = slurm_jobs.provider(run, here, tiles, pools(run, here, tiles), worker_init(run, here))
    nodes.script_dir = str(tmp_path)
    job = nodes.submit("/usr/bin/env", 1)
    assert ended(nodes, job).state is JobState.COMPLETED
    printed = nodes.resources[job].stdout.read_text()
    assert "OF_A_MODULE=here" in printed
    assert "FFN_RUN=/scratch/run" in printed


def test_an_account_of_a_users_environment_is_charged_where_the_run_names_none(
    provider: SlurmProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    assert provider.submit_command(QueuedJob("a", tmp_path))[0] == "sbatch"
    provider.account = "em"
    assert provider.submit_command(QueuedJob("a", tmp_path))[:3] == [
        "env",
        "--unset=SBATCH_ACCOUNT",
        "sbatch",
    ]


@pytest.mark.parametrize(
    ("option", "variable"),
    [
        ("-C fast", "SBATCH_CONSTRAINT"),
        ("--constraint=fast", "SBATCH_CONSTRAINT"),
        ("-G4", "SBATCH_GPUS"),
        ("--mem=0", "SBATCH_MEM_PER_NODE"),
    ],
)
def test_an_option_of_a_runs_counts_for_more_than_a_variable_however_it_is_written(
    provider: SlurmProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "other")
    assert provider.submit_command(QueuedJob("a", tmp_path))[0] == "sbatch"
    provider.scheduler_options = f"#SBATCH {option}"
    assert provider.submit_command(QueuedJob("a", tmp_path))[:2] == ["env", f"--unset={variable}"]


def test_jobs_avoid_the_node_on_which_others_ended(provider: SlurmProvider) -> None:
    provider.scheduler_options = "#SBATCH --nodelist=n2"
    bad = [provider.submit("exit 3", 1) for _ in range(3)]
    provider.scheduler_options = "#SBATCH --nodelist=n3"
    good = [provider.submit("true", 1) for _ in range(2)]
    for job in (*bad, *good):
        ended(provider, job)
    provider.scheduler_options = ""
    assert provider.avoid([*bad, good[0]]) == "", "it was not one node"
    assert "--exclude" not in provider.submit_script("true")
    assert provider.avoid(bad) == "n2"
    assert provider.avoid(good) == "n3"
    jobs = [provider.submit("sleep 60", 1) for _ in range(3)]
    wait_until(lambda: all(status(provider, job).state is JobState.RUNNING for job in jobs))
    assert {provider.resources[job].nodes for job in jobs} <= {"n1", "n4"}
    assert provider.avoid(jobs[:1]) == "", "others work there"
    provider.cancel(jobs)
    provider.scheduler_options = "#SBATCH -x n1"
    assert "--exclude" not in provider.submit_script("true"), "the user has said which"


@pytest.mark.parametrize(
    "words",
    [
        # where a QOS has MaxSubmitJobsPerUser: mlr-org/batchtools 199, szcf-weiya/techNotes 7
        "QOSMaxSubmitJobPerUserLimit\n... submission failed: Job violates accounting/QOS policy",
        # where many submit at once, and squeue answers: snakemake 1789, DataBiosphere/toil 2381
        "Batch job submission failed: Socket timed out on send/recv operation",
    ],
)
def test_a_block_waits_for_a_queue_that_takes_no_more_jobs_now(
    provider: SlurmProvider, tmp_path: Path, stand_in: Callable[[str, str], None], words: str
) -> None:
    stand_in("sbatch", NOT_NOW)
    (tmp_path / "busy").write_text(f"sbatch: error: {words}\n")
    job = provider.submit("true", 1)
    for _ in range(5):
        assert status(provider, job).state is JobState.PENDING
    assert words.split("\n")[0] in str(status(provider, job).message)
    (tmp_path / "busy").unlink()
    assert ended(provider, job).state is JobState.COMPLETED


def test_of_many_blocks_that_wait_for_a_full_queue_one_is_tried_at_each_look(
    provider: SlurmProvider, tmp_path: Path, stand_in: Callable[[str, str], None]
) -> None:
    stand_in("sbatch", NOT_NOW)
    (tmp_path / "busy").write_text("sbatch: error: QOSMaxSubmitJobPerUserLimit\n")
    jobs = [provider.submit("true", 1) for _ in range(5)]
    stand_in("squeue", 'echo >> {folder}/asked; exec {real} "$@"')
    assert provider.cancel(jobs[:1]) == [True]
    assert not (tmp_path / "asked").exists(), "what was refused is nowhere"
    for _ in range(4):
        provider.status(jobs)
    assert len((tmp_path / "asked").read_text()) <= 4 * 2
    (tmp_path / "busy").unlink()
    provider.status(jobs)
    assert all(provider.resources[job].id for job in jobs[1:])
    assert all(ended(provider, job).state is JobState.COMPLETED for job in jobs[1:])


def test_the_limits_of_the_login_are_not_those_of_jobs(provider: SlurmProvider, tmp_path: Path) -> None:
    """Of CPU time, memory or open files; Slurm hands them on."""
    told = tmp_path / "told"
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (3000, hard))
    try:
        for options in ("", "#SBATCH --propagate=CPU"):
            provider.scheduler_options = options
            assert ended(provider, provider.submit(f"ulimit -t >> {told}", 1)).state is JobState.COMPLETED
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
    nodes_own, by_option = told.read_text().split()
    assert (nodes_own != "3000", by_option) == (True, "3000")


@pytest.mark.slow
def test_a_job_that_is_killed_at_its_walltime_has_not_completed(provider: SlurmProvider) -> None:
    job_id = provider.submit("sleep 300", 1)
    wait_until(lambda: status(provider, job_id).state is JobState.RUNNING)
    end_walltime(job_id)
    assert ended(provider, job_id).state is JobState.TIMEOUT


def test_a_job_that_slurm_has_forgotten_is_judged_by_what_it_left(
    provider: SlurmProvider, tmp_path: Path
) -> None:
    known = {"1000001": "0", "1000002": "5", "1000003": None}
    for job_id, left in known.items():
        if left is not None:
            (tmp_path / f"{job_id}.status").write_text(left)
        provider.resources[job_id] = QueuedJob(job_id, tmp_path, job_id, JobState.RUNNING)
    states = [found.state for found in provider.status(list(known))]
    assert states == [JobState.COMPLETED, JobState.FAILED, JobState.RUNNING], "it may only not be shown now"
    assert ended(provider, "1000003").state is JobState.MISSING


def test_a_submission_that_worked_but_was_not_answered_is_not_made_again(
    provider: SlurmProvider, stand_in: Callable[[str, str], None]
) -> None:
    stand_in("sbatch", NOT_ANSWERED)
    job_id = provider.submit("sleep 300", 1, "parsl.once")
    names = subprocess.check_output(["squeue", "-ho", "%i %j"], text=True).split("\n")
    assert [line.split()[0] for line in names if "parsl.once" in line] == [job_id]
    assert provider.cancel([job_id, job_id]) == [True, True]


def test_many_jobs_are_cancelled_by_one_command_and_one_by_one_where_that_is_not_all_well(
    provider: SlurmProvider, tmp_path: Path, stand_in: Callable[[str, str], None]
) -> None:
    stand_in("scancel", 'echo >> {folder}/asked; [ $# = 1 ] || [ ! -e {folder}/busy ] && exec {real} "$@"')
    jobs = [provider.submit("sleep 300", 1) for _ in range(5)]
    assert provider.cancel(jobs) == [True] * 5
    assert len((tmp_path / "asked").read_text()) == 1
    jobs = [provider.submit("sleep 300", 1) for _ in range(3)]
    (tmp_path / "busy").touch()
    assert provider.cancel(jobs) == [True] * 3
    (tmp_path / "asked").unlink()
    (tmp_path / "busy").unlink()
    jobs += [provider.submit("sleep 300", 1) for _ in range(3)]
    left_over = provider.delete_leftovers({provider.resources[job].name for job in jobs})
    assert {*jobs[3:]} <= {*left_over}, "of those before some may still be shown, completing"
    assert len((tmp_path / "asked").read_text()) == 1
    left = subprocess.check_output(["squeue", "-ho", "%i", "-t", "PD,R"], text=True).split()
    assert not set(left) & set(jobs)


def test_a_request_that_slurm_refuses_fails_in_its_words(provider: SlurmProvider) -> None:
    provider.partition = "nope"
    with pytest.raises(SubmitException, match="invalid partition specified: nope"):
        provider.submit("true", 1)


def test_while_slurm_does_not_answer_nothing_is_known_to_have_changed(
    provider: SlurmProvider, stand_in: Callable[[str, str], None]
) -> None:
    job_id = provider.submit("sleep 300", 1)
    wait_until(lambda: status(provider, job_id).state is JobState.RUNNING)
    stand_in("squeue", "echo 'error: Unable to contact slurm controller' >&2; exit 1")
    assert status(provider, job_id).state is JobState.RUNNING
    stand_in("squeue", "printf 'Maintenance on Monday, \\351 8 h|\\n'")
    assert status(provider, job_id).state is JobState.RUNNING
    stand_in("squeue", "sleep 300")
    provider.cmd_timeout = 1
    assert status(provider, job_id).state is JobState.RUNNING
    assert not [p for p in psutil.Process().children(recursive=True) if "squeue" in command_of(p)]
    assert provider.cancel([job_id]) == [True]
    assert status(provider, job_id).state is JobState.CANCELLED


def command_of(process: psutil.Process) -> str:
    """Its command line; of one that has ended, and is not yet taken note of, nothing."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)
