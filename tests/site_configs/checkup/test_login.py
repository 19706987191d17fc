"""The driver's processes and threads are counted before a login node refuses them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from site_configs.checkup import login as checkup
from site_configs.checkup.login import OF_AN_EXECUTOR, OF_THE_DRIVER, limit, login
from tests.sites import run_on

REPOSITORY = Path(__file__).parents[3]


def test_they_are_told_with_what_a_user_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "tasks_of_user", lambda: 5)
    monkeypatch.setattr(checkup, "limit", lambda known: known)
    found = login(run_on("polaris"))
    assert found.state == "ok"
    assert found.text.endswith("; you have 5, and may have 128")
    monkeypatch.setattr(checkup, "tasks_of_user", lambda: 120)
    assert login(run_on("polaris")).state == "warn"
    monkeypatch.setattr(checkup, "limit", lambda known: 20)
    assert login(run_on("polaris")).state == "FAIL"
    assert login(Run(Path("/scratch/run"), RunConfig())).state == "skip"


def test_the_least_of_all_limits_counts(tmp_path: Path) -> None:
    (tmp_path / "user.slice/user-4711.slice").mkdir(parents=True)
    pids = tmp_path / "user.slice/user-4711.slice/pids.max"
    pids.write_text("90\n")
    assert limit(128, 4711, tmp_path) == 90
    pids.write_text("max\n")
    assert limit(64, 4711, tmp_path) == 64
    assert limit(None, 0, tmp_path) is None


PROGRAM = """
import json, sys, threading, time
from pathlib import Path
import parsl, psutil
from parsl.dataflow.memoization import BasicMemoizer
import site_configs
from tests.sites import run_on
from pipeline.run_folder import Run

run = Run(Path(sys.argv[1]), run_on("polaris").config)
config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
before = psutil.Process().num_threads()
with parsl.load(config):
    time.sleep(2)
    me = psutil.Process()
    tasks = me.num_threads() + sum(child.num_threads() for child in me.children(recursive=True))
print(json.dumps([before, tasks, len(config.executors) - 1]))
"""


@pytest.mark.slow
def test_so_many_does_parsl_start(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    counted: Any = json.loads(done.stdout.splitlines()[-1])
    before, tasks, executors = counted
    assert abs(tasks - (before + OF_THE_DRIVER + OF_AN_EXECUTOR * executors)) <= 8
