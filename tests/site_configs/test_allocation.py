"""Inside a job that is held already its nodes are used, and nothing is submitted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from parsl.dataflow.memoization import BasicMemoizer

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs.allocation import JOB_ID
from site_configs.preview import launch_line, submit_scripts

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in JOB_ID.values():
        monkeypatch.delenv(name, raising=False)


def run_on(name: str, **site: Any) -> Run:
    document = {
        "site": {"name": name, "ranks_per_node": 2, "interface": "lo", **site},
        "training": {"ranks": 4},
    }
    return Run(Path("/scratch/run"), site_configs.with_defaults(RunConfig.model_validate(document)))


def hold(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, nodes: int) -> None:
    """Be inside a job of so many nodes."""
    if name == "slurm":
        monkeypatch.setenv("SLURM_JOB_ID", "4711")
        monkeypatch.setenv("SLURM_JOB_NUM_NODES", str(nodes))
        # nobody to say that there is no such job; for a file that is not there squeue waits a minute
        (folder / "slurm.conf").touch()
        monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    else:
        monkeypatch.setenv("PBS_JOBID", "4711.server")
        monkeypatch.setenv("PBS_NODEFILE", str(folder / "nodes"))
        (folder / "nodes").write_text("".join(f"n{node}\n" * 2 for node in range(nodes)))


@pytest.mark.parametrize("name", ["slurm", "pbs"])
def test_its_nodes_are_used_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    hold(monkeypatch, name, tmp_path, 3)
    run = run_on(name)
    site_configs.check(run)  # it needs no walltime, account or queue
    assert run.config.site.tile_nodes == 3
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    assert submit_scripts(run, config) == {}
    assert [executor.label for executor in config.executors] == ["head", "tiles", "train"]
    line = launch_line(site_configs.rank_launcher(run), run) or []
    assert ("--overlap" in line) == (name == "slurm"), "the workers' step may be there yet"
    assert ("--propagate=NONE" in line) == (name == "slurm"), "srun may be on a login node"
    (told,) = site_configs.remarks(run)
    assert told.startswith("this is job 4711")
    assert "3 nodes: the work is done there, and nothing is submitted" in told


@pytest.mark.parametrize("name", ["slurm", "pbs"])
def test_more_nodes_than_it_holds_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    hold(monkeypatch, name, tmp_path, 1)
    with pytest.raises(
        InputError, match=r"ranks_per_node asks for 2 nodes; job 4711.* holds 1; .*within_job=no"
    ):
        site_configs.check(run_on(name))
    with pytest.raises(InputError, match=r"site.tile_nodes asks for 2 nodes"):
        site_configs.check(run_on(name, tile_nodes=2))


def test_what_it_holds_is_told_and_where_that_is_little(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One CPU a node, as salloc gives it: four workers would share it without a word."""
    hold(monkeypatch, "slurm", tmp_path, 2)
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "1(x2)")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1795874700")
    until = time.strftime("until %a %H:%M", time.localtime(1795874700))
    told, few = site_configs.remarks(run_on("slurm", workers=4, threads_per_worker=1))
    assert f"job 4711, which holds 2 nodes, 1 CPU of each, {until}: the work" in told
    assert re.match(r"the workers of a node have 4 threads .* holds 1 CPU there, .*--cpus-per-task=4", few)
    assert len(site_configs.remarks(run_on("slurm", workers=1, threads_per_worker=1))) == 1


@pytest.mark.parametrize("listed", ["2(x2)", "2,4", "2,16(x3)"])
def test_more_cpus_than_it_holds_of_a_node_are_refused_where_srun_would_refuse_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listed: str
) -> None:
    """As salloc gives them without --exclusive: one a node."""
    hold(monkeypatch, "slurm", tmp_path, 2)
    site_configs.check(run_on("slurm"))
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", listed)
    site_configs.check(run_on("slurm"))
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", listed.replace("2", "1", 1))
    with pytest.raises(InputError, match=r"ranks take 2 CPUs .*; job 4711, .* holds 1, .*--cpus-per-task=2"):
        site_configs.check(run_on("slurm"))


def test_jobs_are_submitted_from_inside_one_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hold(monkeypatch, "pbs", tmp_path, 3)
    run = run_on("pbs", within_job="no", walltime_s=3600)
    site_configs.check(run)
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    assert set(submit_scripts(run, config)) == {"tiles", "train"}
    assert site_configs.remarks(run) == []


def test_a_job_that_is_not_there_or_does_not_tell_its_nodes_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match=r"within_job is yes, but SLURM_JOB_ID is not set"):
        run_on("slurm", within_job="yes")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with pytest.raises(InputError, match=r"does not say which nodes it holds"):
        run_on("slurm")


@pytest.mark.usefixtures("slurm")
def test_a_job_that_a_shell_has_outlived_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its nodes are another's by now; each step would be refused by srun."""
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    made = subprocess.run(
        ["sbatch", "--parsable", "--hold", "--wrap", "true"], capture_output=True, text=True
    )
    subprocess.run(["scancel", made.stdout.strip()], check=True)
    for job_id in (made.stdout.strip(), "990099"):
        monkeypatch.setenv("SLURM_JOB_ID", job_id)
        with pytest.raises(InputError, match=f"SLURM_JOB_ID is {job_id}, a job that is over.*unset"):
            site_configs.check(run_on("slurm"))


PROGRAM = """
import os, sys
from pathlib import Path
import parsl
from parsl.app.python import PythonApp
from parsl.dataflow.memoization import BasicMemoizer
import site_configs
from pipeline.config import RunConfig
from pipeline.run_folder import Run

site = {"name": "slurm", "workers": 1, "ranks_per_node": 1, "interface": "lo"}
document = {"site": {**site, "python": f"env INSIDE=yes {sys.executable}"}}
run = Run(Path(sys.argv[1]), site_configs.with_defaults(RunConfig.model_validate(document)))
run.logs_folder.mkdir()
with parsl.load(site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)) as kernel:
    import time
    def where(seconds):
        import os, time
        time.sleep(seconds)
        return os.environ["SLURMD_NODENAME"], os.environ["SLURM_JOB_ID"], os.environ.get("INSIDE")
    app = PythonApp(where, data_flow_kernel=kernel, executors=["tiles"])
    print({future.result(timeout=300) for future in [app(2) for _ in range(6)]})
"""


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_workers_come_up_on_the_nodes_of_a_real_job(tmp_path: Path) -> None:
    command = ["salloc", "--nodes=2", "--exclusive", sys.executable, "-c", PROGRAM, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    places = eval(done.stdout.splitlines()[-1])
    assert len({node for node, _, _ in places}) == 2
    assert len({job for _, job, _ in places}) == 1
    assert {inside for _, _, inside in places} == {"yes"}, "site.python starts the workers"


RANKS = """
import sys
from dataclasses import dataclass
from pathlib import Path
from pipeline.training.ranks.launchers import SrunLauncher

RANK = '''
import os, sys
from pathlib import Path
from pipeline.training.ranks.launched_rank import join
status_file = join(Path(sys.argv[1]))
names = ["HOROVOD_RANK", "HOROVOD_LOCAL_RANK", "HOROVOD_CROSS_RANK", "SLURM_LOCALID", "SLURMD_NODENAME"]
print(*map(os.environ.get, names))
status_file.write_text("0")
'''

@dataclass(frozen=True)
class JoinedBySrun(SrunLauncher):
    def command(self, rank_command):
        return super().command([sys.executable, "-c", RANK, rank_command[-1]])

JoinedBySrun(4, 2, 1, 1, interface="lo").run(Path(sys.argv[1]))
"""


@pytest.mark.usefixtures("slurm")
def test_the_ranks_of_each_node_of_a_real_job_learn_their_places(tmp_path: Path) -> None:
    pytest.importorskip("horovod", reason="Horovod is not installed")
    command = ["salloc", "--nodes=2", "--exclusive", sys.executable, "-c", RANKS, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    logs = [tmp_path / "logs" / "training" / f"rank_{rank}.log" for rank in range(4)]
    *places, nodes = zip(*(log.read_text().split() for log in logs))
    assert places == [tuple("0123"), tuple("0101"), tuple("0011"), tuple("0101")]
    assert nodes[0] == nodes[1] != nodes[2] == nodes[3]
