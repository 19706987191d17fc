"""Batch jobs that an attempt left in the queue are cancelled by the next, through its site's provider."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider, SlurmProvider

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from workflows.jobs import cancel, leftover_jobs

SCANCEL = """#!/bin/sh
echo "$@" >> {log}
[ "$1" != 13 ] || {{ echo "scancel: error: Invalid job id 13" >&2; exit 1; }}
"""


@pytest.fixture
def cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for Slurm's scancel, which knows no job 13, notes the jobs it is asked to cancel."""
    log, command = tmp_path / "cancelled", tmp_path / "bin" / "scancel"
    command.parent.mkdir()
    command.write_text(SCANCEL.format(log=log))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    return log


def run_with_jobs(folder: Path, **jobs: list[tuple[str, str, str]]) -> Run:
    """A run whose last attempt left these jobs by executor: (job id, state, provider)."""
    run = Run(folder, RunConfig())
    run.logs_folder.mkdir()
    document = {
        label: [
            {"block": str(block), "job_id": job_id, "state": state, "provider": provider}
            for block, (job_id, state, provider) in enumerate(of)
        ]
        for label, of in jobs.items()
    }
    run.jobs_log.write_text(json.dumps(document))
    return run


def slurm_site() -> Config:
    return Config(
        executors=[
            HighThroughputExecutor(label="tiles", provider=SlurmProvider()),
            HighThroughputExecutor(label="train", provider=LocalProvider()),
        ]
    )


def test_jobs_in_the_queue_are_cancelled_and_those_that_are_over_are_not(
    tmp_path: Path, cancelled: Path
) -> None:
    run = run_with_jobs(
        tmp_path,
        tiles=[("11", "COMPLETED", "slurm"), ("12", "RUNNING", "slurm"), ("14", "PENDING", "slurm")],
        train=[("4711", "RUNNING", "local")],
    )
    said: list[str] = []
    cancel(leftover_jobs(run), slurm_site(), said.append)
    assert cancelled.read_text().split() == ["12", "14"]
    assert said == [
        "cancelled slurm job 12 of 'tiles', left by an older attempt",
        "cancelled slurm job 14 of 'tiles', left by an older attempt",
    ]


def test_a_job_that_cannot_be_cancelled_is_named_and_the_others_are_cancelled(
    tmp_path: Path, cancelled: Path
) -> None:
    run = run_with_jobs(
        tmp_path,
        tiles=[("13", "RUNNING", "slurm"), ("14", "RUNNING", "slurm")],
        train=[("15", "RUNNING", "slurm")],
        gone=[("16", "RUNNING", "slurm")],
    )
    said: list[str] = []
    cancel(leftover_jobs(run), slurm_site(), said.append)
    assert cancelled.read_text().split() == ["13", "14"]
    assert [line.partition(" slurm")[0] for line in said] == [
        "could not cancel (it may be over)",
        "cancelled",
        "could not cancel (it may be over)",
        "could not cancel (it may be over)",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tiles": [{"job": 1}]}', '{"tiles": 3}'])
def test_a_file_that_is_not_ours_names_no_jobs(tmp_path: Path, text: str) -> None:
    run = run_with_jobs(tmp_path)
    run.jobs_log.write_text(text)
    assert leftover_jobs(run) == {}
