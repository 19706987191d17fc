"""Machines are data: one of the user's is a file, and what is wrong in it is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from parsl.dataflow.memoization import BasicMemoizer
from typer.testing import CliRunner

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.settings.yaml_text import read_yaml
from site_configs.described import FOLDER, machine, site_names
from site_configs.machine import Machine
from site_configs.preview import launch_line, submit_scripts
from workflows.ffn import tool

REPOSITORY = Path(__file__).parents[2]
MINE = """
description: The cluster of our laboratory
scheduler: slurm
needs: [walltime_s]
default_queue: gpu
queues:
  gpu: {limits: [{nodes: 4, walltime_s: 86400}], jobs_per_user: 2}
  short: {limits: [{nodes: 20, walltime_s: 3600}], option: qos}
node:
  cores: 32
  threads_per_core: 2
  gpus: nvidia
  groups: [{cores: 0-15, gpu: 0}, {cores: 16-31, gpu: 1}]
gpu_request: --gres=gpu:a40:{gpus}
worker_init: module load cuda
"""


def run_on(path: Path, **site: Any) -> Run:
    settings = {"name": str(path), "walltime_s": 3600, "interface": "lo", **site}
    document = {"site": settings, "training": {"ranks": 4, "threads_per_rank": 2}}
    return Run(Path("/scratch/run"), site_configs.with_defaults(RunConfig.model_validate(document)))


def scripts(run: Run) -> dict[str, str]:
    return submit_scripts(run, site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mylab.yaml"
    path.write_text(MINE)
    return path


def test_a_machine_that_a_user_describes_is_a_site(mine: Path) -> None:
    run = run_on(mine, tile_nodes=2, light={"queue": "short"})
    site_configs.check(run)
    assert (run.config.site.workers, run.config.site.threads_per_worker) == (2, 16)
    found = scripts(run)
    tiles = found["tiles"].splitlines()
    assert {"#SBATCH --gres=gpu:a40:2", "#SBATCH --partition=gpu", "#SBATCH --nodes=2"} <= set(tiles)
    assert {"module load cuda", "export FFN_GPUS=nvidia:0,1"} <= set(tiles)
    assert {"#SBATCH --qos=short", "#SBATCH --nodes=1"} <= set(found["light"].splitlines())
    assert "--gres" not in found["light"]
    line = launch_line(site_configs.rank_launcher(run), run) or []
    assert {"--ntasks-per-node=2", "--cpu-bind=mask_cpu:0xffff0000ffff,0xffff0000ffff0000"} <= set(line)


def test_workers_have_no_more_threads_than_their_node(mine: Path) -> None:
    for workers, threads in ((2, 16), (4, 8), (5, 5), (32, 1), (64, 1)):
        run = run_on(mine, workers=workers)
        assert run.config.site.threads_per_worker == threads
        site_configs.check(run)
    with pytest.raises(InputError, match=r"site.threads_per_worker is 80; a node of .* has 64 hardware"):
        site_configs.check(run_on(mine, workers=5, threads_per_worker=16))


@pytest.mark.parametrize(("walltime_s", "minutes"), [(45, 1), (60, 1), (119, 2), (3600, 60)])
def test_slurms_minutes_are_no_fewer_than_the_walltime(mine: Path, walltime_s: int, minutes: int) -> None:
    """0 of them would be no limit."""
    run = run_on(mine, walltime_s=walltime_s, tile_time_s=10)
    assert f"#SBATCH --time={minutes}" in scripts(run)["tiles"].splitlines()


def test_what_its_queues_do_not_take_is_refused(mine: Path) -> None:
    with pytest.raises(InputError, match=r"site.tile_nodes asks for 5 nodes; queue 'gpu' of .*mylab.yaml"):
        site_configs.check(run_on(mine, tile_nodes=5))
    with pytest.raises(InputError, match=r"site.tile_jobs is 3; queue 'gpu' .* takes 2 of a user"):
        site_configs.check(run_on(mine, tile_jobs=3))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("shedulr: slurm", r"unknown key 'shedulr'; did you mean 'scheduler'"),
        ("queues: {a: {limts: []}}", r"unknown key 'queues.a.limts'; did you mean 'limits'"),
        ("queues: {a: {limits: [{walltime: 60}]}}", r"queues.a.limits.0"),
        ("queues: [debug]", r"queues is \['debug'\]: expected keys with their values below it"),
        ("queues: {debug: 4}", r"queues.debug is 4: expected keys with their values below it"),
        ("scheduler: lsf", r"scheduler is 'lsf'"),
        (
            "scheduler: slurm\nlauncher: aprun",
            r"launcher is aprun, which starts nothing in jobs of slurm",
        ),
        ("launcher: srun", r"launcher is srun, which starts nothing in jobs of pbs: .* hydra or mpiexec"),
        (r'worker_init: "true\n#PBS -m e"', r"worker_init is .* options of jobs are given by job_options"),
        ("needs: [projekt]", r"needs.0 is 'projekt'"),
        ("gpu_request: --gres=gpu:4", r"expected \{gpus\} in it"),
        ("node: {cores: 8, groups: [{cores: 0-4}, {cores: 4-7}]}", r"node: groups share the cores \[4\]"),
        ("node: {cores: 4, groups: [{cores: 0-7}]}", r"cores is 4; the group 0-7 has others"),
        ("node: {cores: 4, groups: [{cores: 0-3, gpu: 0}]}", r"say of what kind, gpus: nvidia, amd or intel"),
        ("node: {cores: 4, groups: [{cores: all}]}", r"'all' is no list of cores such as 0-7,32"),
        ("node: {cores: 8, groups: [{cores: 7-4}]}", r"the cores 7-4, which end before they begin"),
        ("node: {cores: 8, groups: [{cores: '0-3,2'}]}", r"'0-3,2' lists a core twice"),
        (
            "queues: {a: {limits: [{nodes: 9, walltime_s: 60}, {nodes: 4, walltime_s: 99}]}}",
            r"queues.a: limits are not in order of size",
        ),
        (
            "job_options: [constraint=gpu]",
            r"job_options.0 is 'constraint=gpu': .* beginning with -, without #SBATCH",
        ),
        (
            "job_options: ['#SBATCH --constraint=gpu']",
            r"job_options.0 is '#SBATCH --constraint=gpu': expected an",
        ),
        ('job_options: ["-m n\\nrm"]', r"job_options.0"),
        ("default_queue: gpu\nqueues: {debug: {}}", r"default_queue is 'gpu'; queues has debug"),
        (
            "node: {cores: 2, gpus: nvidia, groups: [{cores: 0-1, gpu: 'a;b'}]}",
            r"gpu is 'a;b': expected the number",
        ),
        ("node: {cores: many}", r"node.cores is 'many': expected a number"),
        ("[", "is not YAML"),
    ],
)
def test_what_is_wrong_in_a_description_is_named_with_its_file(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "wrong.yaml"
    key = line.partition(":")[0]
    kept = [text for text in ("description: A", "scheduler: pbs") if text.partition(":")[0] != key]
    path.write_text("\n".join([*kept, line]))
    with pytest.raises(InputError, match=said) as refused:
        machine(str(path))
    assert str(path) in str(refused.value)


def test_a_queue_of_which_nothing_is_said_has_no_limits_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("description: A\nscheduler: slurm\nqueues:\n  debug:\n  gpu: {jobs_per_user: 2}\n")
    site_configs.check(run_on(path, queue="debug", ranks_per_node=2, tile_nodes=9))
    with pytest.raises(InputError, match=r"site.queue is 'other'; .* has debug, gpu"):
        site_configs.check(run_on(path, queue="other", ranks_per_node=2))


def test_a_site_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown site 'mylab'; known sites: aurora, .*--site ./mylab.yaml"):
        run_on(Path("mylab"))
    with pytest.raises(InputError, match=r"no.yaml: No such file"):
        run_on(tmp_path / "no.yaml")


def test_a_site_named_by_its_file_is_the_same_from_every_folder(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    assert run_on(Path("./mylab.yaml")).config.site.name == str(mine)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_comes_with_the_program_says_where_its_figures_stand_and_when(path: Path) -> None:
    described = machine(path.stem)
    if described.queues:
        assert described.source
        assert described.checked


def test_sites_are_listed_and_each_can_be_copied(tmp_path: Path) -> None:
    listed = CliRunner().invoke(tool(), ["sites"])
    assert [line.split()[0] for line in listed.stdout.splitlines()] == site_names()
    for name in set(site_names()) - {"local"}:
        shown = CliRunner().invoke(tool(), ["sites", name])
        (tmp_path / f"{name}.yaml").write_text(shown.stdout)
        assert machine(str(tmp_path / f"{name}.yaml")) == machine(name)
    assert CliRunner().invoke(tool(), ["sites", "nowhere"]).exit_code == 1


def test_the_description_in_the_documentation_is_one() -> None:
    page = (REPOSITORY / "docs" / "sites.md").read_text()
    (text,) = re.findall(r"^```text\n(description:.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert Machine.model_validate(read_yaml(text)).node.groups
