"""The Slurm provider on a real Slurm without accounting: what became of a job is told as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import SimpleLauncher
from parsl.providers.errors import SubmitException

from site_configs import slurm_jobs
from site_configs.described import machine
from site_configs.providers import slurm as module
from site_configs.providers.slurm import SlurmProvider
from site_configs.stage_jobs import stage_jobs
from tests.real_slurm import end_walltime
from tests.sites import run_on

pytestmark = pytest.mark.usefixtures("slurm")

STAND_IN = """#!/bin/sh
if mkdir {folder}/asked 2>/dev/null; then
  {real} "$@" >/dev/null
  echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1
fi
exec {real} "$@"
"""


@pytest.fixture
def provider(tmp_path: Path) -> SlurmProvider:
    provider = SlurmProvider(
        poll_s=1, walltime="00:01:00", exclusive=False, launcher=SimpleLauncher(), init_blocks=0
    )
    provider.script_dir = str(tmp_path)
    return provider


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
    provider.scheduler_options += "#SBATCH --hold\n"
    held = provider.submit("true", 1)
    assert status(provider, held).state is JobState.HELD
    provider.cancel([held])


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
        script = tmp_path / job_id
        if left is not None:
            script.with_suffix(".status").write_text(left)
        provider.resources[job_id] = {
            "job_id": job_id,
            "status": JobStatus(JobState.RUNNING),
            "job_stdout_path": f"{script}.stdout",
            "job_stderr_path": f"{script}.stderr",
        }
    states = [found.state for found in provider.status(list(known))]
    assert states == [JobState.COMPLETED, JobState.FAILED, JobState.FAILED]


def test_a_submission_that_worked_but_was_not_answered_is_not_made_again(
    provider: SlurmProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "bin" / "sbatch"
    command.parent.mkdir()
    command.write_text(STAND_IN.format(folder=tmp_path, real=shutil.which("sbatch")))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "ASK_AGAIN_S", 0.5)
    job_id = provider.submit("sleep 300", 1, "parsl.once")
    names = subprocess.check_output(["squeue", "-ho", "%i %j"], text=True).split("\n")
    assert [line.split()[0] for line in names if "parsl.once" in line] == [job_id]
    assert provider.cancel([job_id]) == [True]


def test_a_request_that_slurm_refuses_fails_at_once(provider: SlurmProvider) -> None:
    provider.scheduler_options += "#SBATCH --partition=nope\n"
    with pytest.raises(SubmitException):
        provider.submit("true", 1)


def test_while_slurm_does_not_answer_nothing_is_known_to_have_changed(
    provider: SlurmProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = provider.submit("sleep 300", 1)
    wait_until(lambda: status(provider, job_id).state is JobState.RUNNING)
    silent = tmp_path / "bin" / "squeue"
    silent.parent.mkdir()
    silent.write_text("#!/bin/sh\necho 'error: Unable to contact slurm controller' >&2; exit 1\n")
    silent.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{silent.parent}:{os.environ['PATH']}")
        assert status(provider, job_id).state is JobState.RUNNING
    provider.cancel([job_id])
    assert status(provider, job_id).state is JobState.CANCELLED


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)
