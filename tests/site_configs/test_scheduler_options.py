"""Options that a user adds to the jobs: what they change, and what is the program's own to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import site_configs
from pipeline.errors import InputError
from pipeline.run_folder import Run
from tests.job_pages import preview
from tests.sites import run_on


@pytest.mark.parametrize(
    ("name", "option", "instead_of"),
    [
        ("polaris", "-l place=scatter:excl", "-l place="),
        ("pbs", "-lplace=pack,software=none", "-l place="),
        ("aurora", "-m abe", "-m "),
        ("slurm", "--exclusive=user", "--exclusive"),
        ("slurm", "--ntasks-per-node 2", "--ntasks-per-node"),
    ],
)
def test_what_a_user_says_stands_instead_of_what_the_program_would(
    name: str, option: str, instead_of: str
) -> None:
    """Of PBS's resources the first counts, and of Slurm's options the last: one of two is without effect."""
    run = run_on(name, scheduler_options=[option])
    site_configs.check(run)
    for script in preview(run).split("=== ")[1:-1]:
        heads = [
            line.partition(" ")[2] for line in script.splitlines() if line.startswith(("#PBS", "#SBATCH"))
        ]
        alike = instead_of.replace(" ", "")
        assert [line for line in heads if line.replace(" ", "").startswith(alike)] == [option]


@pytest.mark.parametrize(
    ("name", "option", "said"),
    [
        ("slurm", "--time=30", "of --time this program says '--time=60', by other settings"),
        ("slurm", "-t 30", "of --time this program says '--time=60'"),
        ("slurm", "-Jmine", "of --job-name this program says"),
        ("slurm", "--mem=0 --nodes=2", "of --nodes this program says '--nodes=4'"),
        ("slurm", "-pother", "of --partition this program says '--partition=debug'"),
        ("slurm", "--requeue", "of --no-requeue this program says"),
        ("slurm", "--array=0-3", "of --array this program has its own"),
        ("slurm", "--output=/scratch/mine", "of --output this program has its own"),
        ("slurm", "--arr=0-3", "of --array this program has its own"),
        ("slurm", "--job-n=mine", "of --job-name this program says"),
        ("slurm", "--part other", "of --partition this program says '--partition=debug'"),
        ("slurm", "-HW", "of --wait this program has its own"),
        ("slurm", "--test", "of --test-only this program has its own"),
        ("slurm", "-HJmine", "of --job-name this program says"),
        ("frontier", "--account other", "of --account this program says '--account=abc123'"),
        (
            "polaris",
            "-l place=pack,walltime=2:00:00",
            "of -l walltime this program says '-l walltime=01:00:00'",
        ),
        ("polaris", "-l select=1:system=polaris", "of -l select this program says '-l select=4:ncpus=64"),
        ("pbs", "-N mine", "of -N this program says"),
        ("pbs", "-hN mine", "of -N this program says"),
        ("pbs", "-zl select=1", "of -l select this program says"),
        ("pbs", "-W umask=22,block=true", "of -W block this program has its own"),
        ("pbs", "-Wblock=true", "of -W block this program has its own"),
        ("theta", "--jobname mine", "of --jobname this program says"),
        ("theta", "--time 30", "of -t this program says '-t 60'"),
        ("theta", "--nodec 2", "of -n this program says '-n 1'"),
    ],
)
def test_what_the_program_counts_on_is_refused_before_anything_is_submitted(
    name: str, option: str, said: str
) -> None:
    with pytest.raises(InputError, match=f"{option}.*{said}"):
        site_configs.check(run_on(name, scheduler_options=[option]))


def test_what_the_settings_leave_open_an_option_may_say() -> None:
    run = run_on(
        "slurm", queue=None, scheduler_options=["--partition=debug", "--account=a", "--comment='x -t y'"]
    )
    shown = preview(run)
    assert shown.count("#SBATCH --partition=debug") == shown.count("#SBATCH --account=a") == 3


@pytest.mark.parametrize(("name", "option"), [("slurm", "--no-requeue"), ("pbs", "-r n")])
def test_what_the_program_says_too_a_user_may_say(name: str, option: str) -> None:
    said = preview(run_on(name, scheduler_options=[option])).count(option)
    assert said == preview(run_on(name)).count(option)


def test_an_option_that_begins_as_another_is_not_that_one() -> None:
    """sbatch takes beginnings of names where they are of one alone, and --ntasks is a name."""
    for option in ("--ntasks=8", "--gpus=2", "--hold", "--nodelist=n1", "--mem-per-cpu=1G", "-Hv"):
        site_configs.check(run_on("slurm", scheduler_options=[option]))


@pytest.mark.parametrize("option", ["--clusters=other", "--cluster=other", "-M other", "-Mother", "-QM x"])
def test_jobs_for_another_cluster_are_refused_with_the_way_out(option: str) -> None:
    """squeue would not show them here, and each would be missed and submitted again."""
    with pytest.raises(InputError, match=f"{option}'.*start the run on a login node of that cluster"):
        site_configs.check(run_on("slurm", scheduler_options=[option]))


def test_a_variable_that_names_another_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_CLUSTERS", "other")
    with pytest.raises(InputError, match=r"^SBATCH_CLUSTERS is set.*login node of that cluster"):
        site_configs.check(run_on("slurm"))


def test_a_request_for_gpus_is_in_the_jobs_of_every_batch_system(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("description: mine\nscheduler: cobalt\ngpu_request: --attrs gpus={gpus}\n")
    run = run_on("theta", gpus_per_node=2)
    site = run.config.site.model_copy(update={"name": str(mine), "gpu_request": None})
    run = Run(run.folder, run.config.model_copy(update={"site": site}))
    assert preview(run).count("#COBALT --attrs gpus=2\n") == 2
    slurm = preview(run_on("slurm", gpus_per_node=2, gpu_request="-G {gpus}"))
    assert "#SBATCH -G 2\n" in slurm
    assert "--cpu-bind=none -G 2 " in slurm


@pytest.mark.parametrize("line", ["#SBATCH --nodes=2", "#PBS -l select=2"])
def test_options_among_the_commands_of_a_job_are_refused(line: str) -> None:
    """sbatch reads them up to the first command, and they would count for more than the program's own."""
    with pytest.raises(InputError, match=f"site.worker_init: '{line}' is an option .*scheduler_options"):
        site_configs.check(run_on("slurm", worker_init=f"{line}\nmodule load cuda"))
    site_configs.check(run_on("slurm", worker_init=f"#{line}\nmodule load cuda  # {line}"))


@pytest.mark.parametrize(
    ("name", "request_", "said"),
    [
        ("pbs", "--gres=gpu:{gpus}", r"by '--gres=gpu:2' .*; pbs takes words such as ngpus=\{gpus\}"),
        ("slurm", "ngpus={gpus}", r"by 'ngpus=2' .*; slurm takes words such as --gres=gpu:\{gpus\}"),
    ],
)
def test_a_request_for_gpus_in_the_words_of_another_system_is_refused(
    name: str, request_: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        site_configs.check(run_on(name, gpus_per_node=2, gpu_request=request_))


@pytest.mark.parametrize(
    ("name", "site", "said"),
    [
        ("slurm", {"gpu_request": "--gres=gpu:{gpus}"}, "site.gpu_request is .* set site.gpus_per_node"),
        ("slurm", {"filesystems": "home"}, "site.filesystems is for PBS; slurm is under slurm"),
        ("theta", {"filesystems": "home"}, "site.filesystems is for PBS; theta is under cobalt"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused(name: str, site: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        site_configs.check(run_on(name, 8, **site))


def test_who_wants_cpus_may_leave_the_request_for_gpus_where_it_is() -> None:
    site_configs.check(run_on("slurm", gpus_per_node=0, gpu_request="--gres=gpu:{gpus}"))
