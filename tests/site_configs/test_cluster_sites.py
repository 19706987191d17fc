"""Sites with a batch system: what they ask of the user, and exactly what they would submit."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from parsl.dataflow.memoization import BasicMemoizer

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs.executors import gpu_of_each_worker
from site_configs.preview import launch_line, submit_scripts

REPOSITORY = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parent / "snapshots"
"""To renew one: delete it and run the test, which then writes it and fails; read the difference."""

COMPLETE: dict[str, dict[str, Any]] = {
    "slurm": {"queue": "debug", "ranks_per_node": 2, "tile_nodes": 4, "scheduler_options": ["--mem=0"]},
    "perlmutter": {"account": "m1234", "queue": "regular", "workers": 4, "worker_init": "module load python"},
    "frontier": {"account": "abc123", "tile_nodes": 2, "workers": 8, "reservation": "brain"},
}


def run_on(name: str, ranks: int = 8, **site: Any) -> Run:
    settings = {"name": name, "walltime_s": 3600, "interface": "lo", **COMPLETE[name], **site}
    config = {"site": settings, "training": {"ranks": ranks, "threads_per_rank": 2}}
    return Run(Path("/scratch/run"), RunConfig.model_validate(config))


def preview(run: Run) -> str:
    """Scripts and launch line, with this machine's paths by name."""
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    line = launch_line(site_configs.rank_launcher(run), run)
    assert line is not None
    texts = [f"=== {label}\n{script}" for label, script in submit_scripts(run, config).items()]
    text = "\n".join([*texts, "=== ranks", " ".join(line), ""])
    text = text.replace(sys.executable, "PYTHON").replace(str(REPOSITORY), "REPOSITORY")
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FFN_ACCOUNT", "FFN_QUEUE", "FFN_ATTEMPT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", COMPLETE)
def test_what_would_be_submitted_is_as_it_was_read_and_approved(name: str) -> None:
    found, snapshot = preview(run_on(name)), SNAPSHOTS / f"{name}.txt"
    if not snapshot.exists():
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(found)
        pytest.fail(f"{snapshot} was not there and is written now")
    assert found == snapshot.read_text()


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_run_is_accepted(name: str) -> None:
    site_configs.check(run_on(name))


@pytest.mark.parametrize(
    ("name", "without", "named"),
    [
        ("slurm", "ranks_per_node", "site slurm needs site.ranks_per_node:"),
        ("slurm", "walltime_s", "site slurm needs site.walltime_s:"),
        ("perlmutter", "account", r"site perlmutter needs site.account \(or FFN_ACCOUNT\):"),
        ("perlmutter", "queue", r"site perlmutter needs site.queue \(or FFN_QUEUE\):"),
        ("frontier", "account", r"site frontier needs site.account \(or FFN_ACCOUNT\):"),
    ],
)
def test_what_is_missing_is_asked_for_by_name(name: str, without: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        site_configs.check(run_on(name, 8, **{without: None}))


def test_account_and_queue_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFN_ACCOUNT", "m9")
    monkeypatch.setenv("FFN_QUEUE", "debug")
    run = run_on("perlmutter", account=None, queue=None, walltime_s=1800)
    site_configs.check(run)
    assert {"#SBATCH --account=m9", "#SBATCH --qos=debug"} <= set(preview(run).splitlines())


@pytest.mark.parametrize(
    ("name", "ranks", "site", "said"),
    [
        ("perlmutter", 40, {"queue": "debug", "walltime_s": 1800}, "asks for 10 nodes; .*'debug'.* up to 8"),
        ("perlmutter", 8, {"queue": "debug"}, "walltime_s is 3600; .*'debug'.* up to 1800 s"),
        ("perlmutter", 8, {"queue": "interactive", "tile_nodes": 5}, "site.tile_nodes asks for 5 nodes"),
        ("frontier", 8, {"walltime_s": 7201}, "walltime_s is 7201; .*'batch'.* up to 7200 s for 2 node"),
        ("frontier", 8, {"queue": "extended", "tile_nodes": 65}, "asks for 65 nodes; .*'extended'"),
        ("slurm", 8, {"walltime_s": 600}, "no job would start a tile"),
    ],
)
def test_a_job_too_large_for_its_queue_is_refused(
    name: str, ranks: int, site: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        site_configs.check(run_on(name, ranks, **site))


def test_larger_jobs_on_frontier_may_run_longer() -> None:
    site_configs.check(run_on("frontier", 92 * 8, tile_nodes=92, walltime_s=6 * 3600))


def test_workers_share_the_gpus_of_a_node_evenly() -> None:
    assert gpu_of_each_worker(4, 4) == ["0", "1", "2", "3"]
    assert gpu_of_each_worker(8, 4) == ["0", "0", "1", "1", "2", "2", "3", "3"]
    assert gpu_of_each_worker(2, 8) == ["0", "4"]
