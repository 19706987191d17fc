"""Batch jobs that an attempt left in the queue are cancelled by the next, through its site's provider."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from site_configs.providers.batch import BatchProvider
from site_configs.providers.cobalt import CobaltProvider
from site_configs.providers.pbs import PbsProvider
from tests.emulators.cluster import Cluster
from workflows.running.jobs import cancel_leftovers, in_queue, leftover_jobs


def provider_of(cluster: Cluster, script_folder: Path) -> BatchProvider:
    provider: BatchProvider
    if cluster.system.peek().flavour == "cobalt":
        provider = CobaltProvider(launcher=SimpleLauncher())
    else:
        provider = PbsProvider(launcher=SimpleLauncher(), account="EM", filesystems="home")
    script_folder.mkdir(parents=True, exist_ok=True)
    provider.script_dir = str(script_folder)
    return provider


def site(provider: BatchProvider) -> Config:
    executor = HighThroughputExecutor(label="tiles", provider=provider, address="127.0.0.1")
    return Config(executors=[executor])


def run_with_jobs(folder: Path, **jobs: list[tuple[str, str, str]]) -> Run:
    """A run whose last attempt noted these jobs by executor: (job id, state, provider)."""
    run = Run(folder, RunConfig())
    run.logs_folder.mkdir(parents=True)
    document = {
        label: [
            {"block": str(block), "job_id": job_id, "state": state, "provider": provider}
            for block, (job_id, state, provider) in enumerate(of)
        ]
        for label, of in jobs.items()
    }
    run.jobs_log.write_text(json.dumps(document))
    return run


@pytest.mark.parametrize("flavour", ["cobalt", "pbs"])
def test_what_older_attempts_left_is_cancelled_by_name_and_nothing_else(
    flavour: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Also a job whose driver died before it had written the id down; another run's job stays."""
    cluster: Cluster = request.getfixturevalue(flavour)
    cluster.stop()
    run = run_with_jobs(tmp_path / "run")
    scripts = run.logs_folder / "parsl"
    left = [provider_of(cluster, scripts / n / "submit_scripts").submit("true", 1) for n in ("000", "001")]
    others = provider_of(cluster, tmp_path / "other" / "submit_scripts").submit("true", 1)
    said: list[str] = []
    cancel_leftovers(run, site(provider_of(cluster, tmp_path / "new")), said.append)
    label = {"cobalt": "cobalt", "pbs": "pbspro"}[flavour]
    assert said == [f"cancelled {label} job {job_id}, left by an older attempt" for job_id in left]
    queued = [job.id for job in cluster.jobs() if job.state != "done"]
    assert queued == [int(others.split(".")[0])]
    said.clear()
    cancel_leftovers(run, site(provider_of(cluster, tmp_path / "newer")), said.append)
    assert said == []


def test_a_scheduler_that_cannot_be_asked_is_named_and_the_run_goes_on(
    tmp_path: Path, cobalt: Cluster
) -> None:
    cobalt.stop()
    run = run_with_jobs(tmp_path / "run")
    provider_of(cobalt, run.logs_folder / "parsl" / "000" / "submit_scripts").submit("true", 1)
    cobalt.break_next("qstat", returncode=1, stderr="no connection to the queue manager")
    said: list[str] = []
    cancel_leftovers(run, site(provider_of(cobalt, tmp_path / "new")), said.append)
    (line,) = said
    assert line.startswith("could not cancel what older attempts may have left in the queue: qstat:")
    assert "no connection to the queue manager" in line


def test_jobs_that_this_site_does_not_know_are_named(tmp_path: Path) -> None:
    """As those of another machine, on whose file system the run folder was before."""
    run = run_with_jobs(
        tmp_path,
        tiles=[("11", "COMPLETED", "slurm"), ("12", "RUNNING", "slurm")],
        train=[("4", "RUNNING", "local")],
    )
    said: list[str] = []
    here = Config(executors=[HighThroughputExecutor(label="tiles", provider=LocalProvider())])
    cancel_leftovers(run, here, said.append)
    assert said == ["an older attempt may have left slurm job 12: this site cannot cancel it"]


def test_who_waits_for_a_job_sees_why_in_the_words_of_the_batch_system() -> None:
    executor = HighThroughputExecutor(label="tiles", provider=CobaltProvider(launcher=SimpleLauncher()))
    executor.blocks_to_job_id = {str(block): str(block + 7) for block in range(5)}
    executor._status = {
        "0": JobStatus(JobState.HELD, "admin_hold"),
        "1": JobStatus(JobState.PENDING),
        **{block: JobStatus(JobState.PENDING, "queue is full") for block in "234"},
    }
    kernel: Any = SimpleNamespace(executors={"tiles": executor})
    assert in_queue(kernel)["tiles"].split(", ") == [
        "cobalt job 7 is held (admin_hold)",
        "cobalt job 8 is pending",
        "cobalt job 9 and 2 more are pending (queue is full)",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tiles": [{"job": 1}]}', '{"tiles": 3}'])
def test_a_file_that_is_not_ours_names_no_jobs(tmp_path: Path, text: str) -> None:
    run = run_with_jobs(tmp_path)
    run.jobs_log.write_text(text)
    assert leftover_jobs(run) == {}
