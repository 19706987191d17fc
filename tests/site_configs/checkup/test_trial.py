"""Slurm is asked whether it would take a run's jobs: a real one, in whose queue nothing is left."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from site_configs.checkup.trial import trial
from tests.sites import run_on


@pytest.mark.usefixtures("slurm")
def test_when_jobs_would_start_is_told_and_none_is_there() -> None:
    def queued() -> str:
        return subprocess.check_output(["squeue", "--me", "--noheader"], text=True)

    before = queued()
    finding = trial(run_on("slurm"), 20)
    assert finding.state == "ok"
    assert finding.text.startswith("as things are, tiles would start at 20")
    assert ", train would start at 20" in finding.text
    assert queued() == before


@pytest.mark.usefixtures("slurm")
def test_what_slurm_would_not_take_is_told_in_its_words() -> None:
    finding = trial(run_on("slurm", scheduler_options=["--constraint=knl"]), 20)
    assert finding.state == "FAIL"
    assert "sbatch would not take tiles: allocation failure: Invalid feature specification" in finding.text


@pytest.mark.parametrize(
    ("script", "state", "said"),
    [
        ("echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1", "warn", "AssocMaxSubmitJobLimit"),
        (
            "echo 'allocation failure: Unable to contact slurm controller' >&2; exit 1",
            "skip",
            "not known: all",
        ),
        ("exec sleep 60", "skip", "sbatch gave no answer in 0.2 s"),
    ],
)
def test_a_queue_that_is_full_is_no_failure_nor_is_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, state: str, said: str
) -> None:
    (tmp_path / "sbatch").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    finding = trial(run_on("slurm"), 0.2 if "sleep" in script else 20)
    assert (finding.state, said in finding.text) == (state, True)


def test_who_cannot_be_asked_is_not() -> None:
    assert trial(run_on("pbs"), 1).state == "skip"
    assert trial(run_on("slurm", walltime_s=None), 1).text == "mend what is said of the job first"
