"""A batch system that is absent, silent, or says no: stand-ins for its commands on PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.checkup import Finding, examine
from pipeline.config import RunConfig
from pipeline.run_folder import Run
from site_configs import commands, site_names
from site_configs.checkup import scheduler
from site_configs.providers.scheduler import ask

SLURM = ("sbatch", "squeue", "scancel")


def run_on(site: str, **settings: object) -> Run:
    return Run(Path("/scratch/run"), RunConfig.model_validate({"site": {"name": site, **settings}}))


def stand_in(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PATH leads here alone."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_every_site_names_its_commands() -> None:
    assert {name for name in site_names() if not commands(run_on(name))} == {"local"}


def test_one_machine_needs_no_scheduler() -> None:
    run = run_on("local")
    findings = [
        scheduler.commands(run),
        scheduler.launcher(run),
        scheduler.answer(run, 1),
        scheduler.job(run),
    ]
    assert findings == [Finding("skip", "this site has no batch system")] * 4


def test_inside_a_job_that_is_held_nothing_is_submitted_and_that_is_told(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(bin_folder, "srun", "exit 0")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "3")
    run = run_on("slurm", ranks_per_node=1)
    inside = Finding("skip", "nothing is submitted from inside a job")
    assert [scheduler.commands(run), scheduler.answer(run, 1)] == [inside, inside]
    assert scheduler.launcher(run) == Finding("ok", "srun")
    assert scheduler.job(run).state == "ok"
    assert scheduler.job(run).text.startswith("this is job 4711, which holds 3 nodes: the work is done there")
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "2(x3)")
    few = run_on("slurm", ranks_per_node=1, workers=8, threads_per_worker=1)
    assert scheduler.job(few).state == "warn"
    assert "have 8 threads" in scheduler.job(few).text


def test_commands_that_are_missing_are_named(bin_folder: Path) -> None:
    stand_in(bin_folder, "squeue", "exit 0")
    finding = scheduler.commands(run_on("slurm"))
    assert finding.state == "FAIL"
    assert finding.text.startswith("not on PATH: sbatch, scancel; ")
    assert scheduler.launcher(run_on("slurm")).text.startswith("not on PATH: srun; ")
    assert scheduler.launcher(run_on("slurm")).state == "warn"


def test_where_the_commands_are_is_told(bin_folder: Path) -> None:
    for name in (*SLURM, "srun"):
        stand_in(bin_folder, name, "exit 0")
    assert scheduler.commands(run_on("slurm")) == Finding("ok", f"sbatch, squeue, scancel in {bin_folder}")
    assert scheduler.launcher(run_on("slurm")) == Finding("ok", "srun")


def test_a_scheduler_that_does_not_answer_fails_at_the_limit(bin_folder: Path) -> None:
    stand_in(bin_folder, "squeue", "exec /bin/sleep 3600")
    finding = scheduler.answer(run_on("slurm"), limit_s=0.2)
    assert finding.state == "FAIL"
    assert finding.text.startswith("squeue gave no answer in 0.2 s; ")


def test_a_scheduler_that_answers_with_an_error_is_quoted(bin_folder: Path) -> None:
    stand_in(bin_folder, "squeue", "echo 'error: Zero Bytes' >&2; echo 'fatal: gone' >&2; exit 1")
    finding = scheduler.answer(run_on("slurm"), limit_s=20)
    assert finding.state == "FAIL"
    assert "squeue: exit code 1: error: Zero Bytes fatal: gone; " in finding.text


@pytest.mark.usefixtures("cobalt")
def test_cobalt_answers_what_it_is_asked() -> None:
    query = scheduler.cheap_query(("qsub", "qstat", "qdel", "aprun"))
    assert query is not None
    assert ask(query, timeout_s=60).returncode == 0


@pytest.mark.usefixtures("pbs")
def test_pbs_answers_what_it_is_asked() -> None:
    query = scheduler.cheap_query(("qsub", "qstat", "qselect", "qdel", "mpiexec"))
    assert query is not None
    assert ask(query, timeout_s=60).returncode == 0


def test_what_a_job_needs_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FFN_ACCOUNT", raising=False)
    monkeypatch.delenv("FFN_QUEUE", raising=False)
    asked = {"queue": "regular", "walltime_s": 3600}
    finding = examine(lambda: scheduler.job(run_on("perlmutter", **asked)))
    assert finding.state == "FAIL"
    assert finding.text.startswith("site perlmutter needs site.account (or FFN_ACCOUNT): ")
    assert scheduler.job(run_on("perlmutter", account="m1", **asked)) == Finding(
        "ok", "account m1, queue regular, walltime 01:00:00"
    )
