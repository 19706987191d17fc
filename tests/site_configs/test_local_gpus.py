"""A workstation's GPUs are shared out among its workers and among its ranks, and missed only if promised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from parsl.dataflow.memoization import BasicMemoizer

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.machine import gpus
from pipeline.machine.gpus import HIDDEN, Gpus
from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import LocalLauncher


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in gpus.VISIBLE.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpus, "find", lambda: Gpus("nvidia", 2))


def run_with(ranks: int = 1, **site: Any) -> Run:
    document = {"site": site, "training": {"ranks": ranks}}
    return Run(Path("/scratch/run"), site_configs.with_defaults(RunConfig.model_validate(document)))


def shared(run: Run) -> tuple[str, str]:
    """Among the workers, and among the ranks."""
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    tiles: Any = next(executor for executor in config.executors if executor.label == "tiles")
    launcher = site_configs.rank_launcher(run)
    assert isinstance(launcher, LocalLauncher)
    return tiles.provider.worker_init.removeprefix(f"export {gpus.SHARED_OUT}="), launcher.gpus


@pytest.mark.usefixtures("two_gpus")
def test_those_that_are_there_are_shared_out() -> None:
    assert shared(run_with(workers=4, ranks=2)) == ("nvidia:0,0,1,1", "nvidia:0,1")
    assert shared(run_with(workers=1, ranks=1)) == ("nvidia:0", "nvidia:0")
    assert shared(run_with(workers=4, gpus_per_node=1, ranks=3)) == ("nvidia:0,0,0,0", "nvidia:0,0,0")


@pytest.mark.usefixtures("two_gpus")
def test_cpus_are_used_where_they_are_asked_for() -> None:
    assert shared(run_with(gpus_per_node=0)) == (HIDDEN, HIDDEN)
    assert shared(run_with(workers=2, train_on_cpus=True)) == ("nvidia:0,1", HIDDEN)


def test_another_python_for_nodes_means_nothing_here_and_is_refused() -> None:
    with pytest.raises(InputError, match=r"site.python is for the jobs .* start ffn itself in the container"):
        site_configs.check(run_with(python="apptainer exec ffn.sif python"))


@pytest.mark.usefixtures("two_gpus")
def test_more_than_there_are_is_refused() -> None:
    site_configs.check(run_with(gpus_per_node=2))
    with pytest.raises(InputError, match=r"site.gpus_per_node is 3; this machine has 2 of nvidia"):
        site_configs.check(run_with(gpus_per_node=3))


def test_where_there_is_none_none_is_missed_unless_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "find", lambda: None)
    assert shared(run_with(workers=2, ranks=2)) == ("", "")
    site_configs.check(run_with())
    with pytest.raises(InputError, match=r"this machine has none that its drivers show"):
        site_configs.check(run_with(gpus_per_node=1))
