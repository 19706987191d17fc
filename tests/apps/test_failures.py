"""What Parsl is told after a failure: by its kind, and for real with real workers."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import parsl
import pytest
from parsl.app.python import PythonApp
from parsl.dataflow.memoization import BasicMemoizer
from parsl.dataflow.taskrecord import TaskRecord
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

from apps.failures import GIVE_UP, RETRY, FailurePolicy, Kind, kind_of, to_hold
from pipeline.config import RunConfig
from pipeline.errors import InputError, Superseded, Unreadable
from pipeline.geometry import Box, Tile
from pipeline.run_folder import Run
from pipeline.training.ranks.rank_processes import RankError, RankLost
from site_configs import parsl_config


def record(task: int) -> TaskRecord:
    """What the policy reads of a task that made nothing of ours."""
    fields: dict[str, Any] = {"id": task, "func_name": "test", "args": (), "kwargs": {}, "executor": "x"}
    kernel = type("Kernel", (), {"executors": {"x": None}})
    return {**fields, "dfk": kernel}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ManagerLost(b"m", "host"), Kind.LOST),
        (WorkerLost(0, "host"), Kind.LOST),
        (RankLost("killed"), Kind.LOST),
        (RankError("exited"), Kind.PASSING),
        (MemoryError(), Kind.OUT_OF_MEMORY),
        (OSError(5, "Input/output error"), Kind.PASSING),
        (Unreadable("stale"), Kind.PASSING),
        (InputError("wrong"), Kind.PERMANENT),
        (Superseded("late"), Kind.PERMANENT),
        (KeyError("bug"), Kind.PERMANENT),
        (NotImplementedError(), Kind.PERMANENT),
    ],
)
def test_failures_are_told_apart(error: Exception, kind: Kind) -> None:
    assert kind_of(error) is kind


def test_losses_cost_nothing_beside_a_failure_of_the_tasks_own_and_do_not_go_on_forever(
    tmp_path: Path,
) -> None:
    policy = FailurePolicy(tmp_path / "failures.jsonl")
    lost, passing = WorkerLost(0, "host"), OSError("busy")
    assert [policy(lost, record(1)) for _ in range(6)] == [RETRY] * 6
    assert policy(passing, record(1)) == RETRY
    assert [policy(lost, record(1)) for _ in range(5)] == [RETRY] * 4 + [GIVE_UP]
    assert policy(passing, record(1)) == GIVE_UP
    assert policy(passing, record(2)) == RETRY
    assert policy(InputError("wrong"), record(3)) == GIVE_UP
    lines = [json.loads(line) for line in (tmp_path / "failures.jsonl").read_text().splitlines()]
    assert len(lines) == 15
    assert lines[-1]["error"] == "InputError: wrong"
    assert (lines[-1]["kind"], lines[-1]["tried_again"]) == ("permanent", False)


def test_losses_of_a_tile_are_counted_from_where_its_checkpoint_went_on(tmp_path: Path) -> None:
    """A tile that takes many blocks is not given up; one that stays where it is, is."""
    run = Run(tmp_path, RunConfig())
    tile = Tile(0, Box.parse("0:64,0:64,0:64"), Box.parse("0:64,0:64,0:64"))
    checkpoint = run.tile_checkpoint_file(tile)
    checkpoint.parent.mkdir(parents=True)
    policy, lost = FailurePolicy(tmp_path / "failures.jsonl"), ManagerLost(b"m", "host")
    task: TaskRecord = {**record(1), "func_name": "segment_tile", "args": (run, tile)}
    for block in range(30):
        checkpoint.write_text(f"{block} objects")
        assert policy(lost, task) == RETRY
    assert [policy(lost, task) for _ in range(10)] == [RETRY] * 9 + [GIVE_UP]


def test_a_log_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    assert FailurePolicy(tmp_path)(OSError("busy"), record(1)) == RETRY


def test_a_bad_node_is_held_only_while_another_takes_tasks() -> None:
    def manager(name: str, host: str, active: bool = True) -> dict[str, Any]:
        return {"manager": f"{host}-{name}", "active": active}

    assert to_hold([manager("a", "bad-node"), manager("b", "good")], "bad-node") == ["bad-node-a"]
    assert to_hold([manager("a", "bad-node"), manager("b", "bad-node")], "bad-node") == []
    assert to_hold([manager("a", "bad-node"), manager("b", "good", active=False)], "bad-node") == []


def die_until(counter: Path, deaths: int) -> str:
    """Kill the worker that runs this, the first `deaths` times."""
    with open(counter, "a") as file:
        file.write("x")
    if counter.stat().st_size <= deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def refuse(counter: Path) -> None:
    with open(counter, "a") as file:
        file.write("x")
    raise InputError("this stays wrong")


@pytest.mark.slow
def test_a_task_survives_the_death_of_its_workers_and_wrong_input_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the workers must find this module
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    (tmp_path / "logs").mkdir()
    run = Run(tmp_path, RunConfig())
    policy = FailurePolicy(run.failures_log)
    kernel = parsl.load(parsl_config(run, BasicMemoizer(), policy))
    try:
        deaths = PythonApp(die_until, data_flow_kernel=kernel, executors=["tiles"])(tmp_path / "deaths", 3)
        wrong = PythonApp(refuse, data_flow_kernel=kernel, executors=["tiles"])(tmp_path / "refusals")
        assert deaths.result(timeout=1200) == "done"
        with pytest.raises(InputError, match="stays wrong"):
            wrong.result(timeout=1200)
    finally:
        kernel.cleanup()
        parsl.clear()
    assert (tmp_path / "deaths").read_text() == "xxxx"
    assert (tmp_path / "refusals").read_text() == "x"
