"""A run that is monitored: the database has its tasks by names that a person can read."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from importlib import util
from pathlib import Path

import psutil
import pytest

from apps.infer import segment_tile
from apps.memoizer import RecordMemoizer
from apps.names import app_of, named
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box, Tile
from pipeline.run_folder import Run
from site_configs import check
from site_configs.local import parsl_config
from tests.tiny_run import RUN_FILE

REPOSITORY = Path(__file__).parents[3]
TILE = Tile(3, Box((0, 8, 16), (8, 16, 24)), Box((0, 8, 16), (8, 16, 24)))


def monitored(folder: Path) -> Run:
    return Run(folder, RunConfig.model_validate({"site": {"monitoring": True}}))


def test_a_task_is_named_for_its_app_and_its_place_and_the_app_is_told_by_that() -> None:
    assert named(segment_tile, ["run", TILE, "model"]).func.__name__ == "segment_tile z000000_y000008_x000016"
    assert named(segment_tile, ["run", TILE.box]).func.__name__ == "segment_tile 0:8,8:16,16:24"
    assert named(segment_tile, ["run"]).func.__name__ == "segment_tile"
    assert segment_tile.func.__name__ == "segment_tile"
    for args in (["run", TILE], ["run"]):
        task = {"func_name": named(segment_tile, args).func.__name__}
        assert app_of(task) == "segment_tile"  # type: ignore[arg-type]


def test_a_run_is_not_monitored_unless_that_is_asked_for(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    assert parsl_config(run, RecordMemoizer(False, print), lambda error, task: 1.0).monitoring is None


def test_what_lacks_is_one_line_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("site_configs.monitoring.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'ffn-pipeline\[monitoring\]', or set site.monitoring"):
        check(monitored(tmp_path))
    check(Run(tmp_path, RunConfig()))


needs_the_extra = pytest.mark.skipif(
    util.find_spec("sqlalchemy") is None, reason="sqlalchemy is not installed"
)


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    (folder / "tiny.yaml").write_text(RUN_FILE)
    program = [sys.executable, str(REPOSITORY / "workflows" / "full_pipeline.py")]
    where = ["--config", str(folder / "tiny.yaml"), "--run-dir", str(folder / "a run? #1")]
    return subprocess.Popen(
        [*program, *where, "--set", "site.monitoring=true", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def tied_to(folder: Path) -> list[psutil.Process]:
    """Processes that have a file open in a folder, or work there."""
    found = []
    for process in psutil.process_iter():
        try:
            places = [process.cwd(), *process.cmdline(), *(file.path for file in process.open_files())]
        except psutil.Error:
            continue
        if any(str(folder) in place for place in places):
            found.append(process)
    return found


@pytest.mark.thorough  # a run for an extra that few ask for
@pytest.mark.slow
@needs_the_extra
def test_the_database_has_every_task_and_where_it_ran_and_quiet_is_quiet(tmp_path: Path) -> None:
    process = start(tmp_path, "--quiet")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    run = tmp_path / "a run? #1"
    file = run / "logs" / "monitoring.db"
    tasks = [name for (name,) in rows(file, "select task_func_name from task order by task_id")]
    assert tasks[:3] == ["make_phantom", "sample_coordinates", "train"]
    assert "segment_tile z000000_y000000_x000064" in tasks
    assert "write_block 0:32,0:32,64:96" in tasks
    assert tasks[-1] == "write_page"
    states = "select task_status_name from status natural join task where task_func_name like 'segment%'"
    assert {"running", "exec_done"} <= {state for (state,) in rows(file, states)}
    assert rows(file, "select count(*) from try where task_try_time_returned is null") == [(0,)]
    assert rows(file, "select distinct executor_label from block order by 1") == [("tiles",), ("train",)]
    assert rows(file, "select tasks_failed_count from workflow") == [(0,)]
    assert rows(file, "select count(*) from resource") == [(0,)]
    assert "segment" not in output.partition("scores by convention")[0]
    assert re.search(r"^segment +done", (run / "logs" / "driver.log").read_text(), re.MULTILINE)
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    slowest, waited, failed = (
        rows(file, query) for query in re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    )
    assert any(str(row[0]).startswith("segment_tile z") and row[1] == socket.gethostname() for row in slowest)
    assert {"segment_tile", "write_block", "train"} <= {app for app, *_ in waited}
    assert failed == []


@pytest.mark.slow
@needs_the_extra
def test_nothing_of_it_outlives_a_driver_that_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path)
    file = tmp_path / "a run? #1" / "logs" / "monitoring.db"
    while not (file.exists() and file.stat().st_size):
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 120
    while left := tied_to(tmp_path):
        assert time.monotonic() < deadline, [each.cmdline() for each in left]
        time.sleep(0.2)
