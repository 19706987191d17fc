"""A finished run of which something cannot be read: no start makes it again, and a look shows the rest."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from test_explain import finish, make_run

from apps.memoizer import RecordMemoizer
from pipeline.errors import Unreadable
from pipeline.results.attempts import begin
from pipeline.results.records import record_path
from pipeline.run_folder import Run
from pipeline.settings.run_file import dump_config
from tests.denied import end_loop, make_loop, snapshot
from workflows.command_line import run_file
from workflows.planning.discards import refuse_to_discard
from workflows.planning.explain import explain
from workflows.planning.rates import measure
from workflows.running.jobs import leftover_jobs
from workflows.status import status

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Finished, by one attempt."""
    run = make_run(tmp_path_factory.mktemp("run"))
    finish(run)
    run = make_run(run.folder)  # which finds by what its tiles were made
    run.config_file.write_text(dump_config(run.config))
    with begin(run.folder, "", lambda _: None) as attempt:
        attempt.end(0)
    for log in (run.failures_log, run.jobs_log, run.warnings_file, run.training_log):
        log.write_text("")
    return run


def picture(run: Run) -> str:
    with redirect_stdout(io.StringIO()) as shown:
        status(run.folder)
    return shown.getvalue()


def hidden_files(run: Run) -> dict[str, Path]:
    tile = run.tile_file(run.tiles[0])
    return {
        "network": run.model_file,
        "tile": tile,
        "record": record_path(tile),
        "chunk": next(p for p in run.segmentation_folder.iterdir() if p.is_file()),
        "checkpoint": run.checkpoint_file,
    }


@pytest.mark.parametrize("what", ["network", "tile", "record", "chunk"])
def test_a_result_that_cannot_be_read_is_no_loss_but_refuses_the_start(run: Run, what: str) -> None:
    path = hidden_files(run)[what]
    make_loop(path)
    before = snapshot(run.folder)
    try:
        with pytest.raises(Unreadable, match=f"cannot read {path}: Too many levels"):
            refuse_to_discard(run)
        reasons = [reason for stage in explain(run) for reason, _ in stage.reasons]
        assert reasons[0] == "cannot be read"
        shown = picture(run)
        assert f"cannot read {path}: Too many levels" in shown
        assert "cannot be read" in shown
        assert snapshot(run.folder) == before
    finally:
        end_loop(path)
    refuse_to_discard(run)
    assert all(stage.finished == stage.tasks for stage in explain(run))


def test_parsl_is_not_told_that_such_a_task_has_to_run(run: Run) -> None:
    said: list[str] = []
    task = {"id": 1, "func_name": "make_phantom", "args": (run,), "kwargs": {}}
    make_loop(record_path(run.phantom_file))
    try:
        with pytest.raises(Unreadable, match=r"phantom\.h5\.done\.json"):
            RecordMemoizer(False, said.append).check_memo(task)  # type: ignore[arg-type]
        assert os.path.lexists(record_path(run.phantom_file))
    finally:
        end_loop(record_path(run.phantom_file))
    assert RecordMemoizer(False, said.append).check_memo(task)  # type: ignore[arg-type]
    assert said == []


def test_what_is_known_of_a_run_is_not_forgotten_for_a_file_that_cannot_be_read(run: Run) -> None:
    for path, read in (
        (run.jobs_log, leftover_jobs),
        (run.training_log, measure),
        (run.config_file, lambda run: run_file(None, run.folder)),
    ):
        make_loop(path)
        try:
            with pytest.raises(Unreadable, match=f"cannot read {path}"):
                read(run)
        finally:
            end_loop(path)


def test_a_look_shows_what_can_be_read_and_names_the_rest(run: Run) -> None:
    folder = run.folder
    logs = [run.tile_log(tile) for tile in run.tiles[:2]]
    for log in logs:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text('{"missing_chunks": 3, "missing_voxels": 99}\n')
    hidden = [
        logs[0],
        folder / "owner.json",
        run.warnings_file,
        run.id_table_file,
        run.failures_log,
    ]
    for path in hidden:
        make_loop(path)
    shown = picture(run)
    for path in hidden:
        end_loop(path)
    for path in hidden:
        assert shown.count(f"cannot read {path}") == 1, shown
    assert "state       cannot be told" in shown
    assert "99 voxels of the image were missing, in 1 of 8 tiles" in shown
    assert "tiles: 8 finished" in shown


def test_a_start_ends_in_one_line_and_makes_nothing_again(run: Run) -> None:
    tile = run.tile_file(run.tiles[3])
    make_loop(tile)
    before = snapshot(run.folder)
    command = [sys.executable, str(REPOSITORY / "workflows" / "full_pipeline.py"), "--run-dir"]
    ended = subprocess.run([*command, str(run.folder)], capture_output=True, text=True, timeout=120)
    unchanged = snapshot(run.folder) == before
    end_loop(tile)
    assert (ended.returncode, ended.stdout, unchanged) == (1, "", True)
    assert ended.stderr.startswith(
        f"error: cannot read {tile}: Too many levels of symbolic links; it was left"
    )
    assert len(ended.stderr.splitlines()) == 1
