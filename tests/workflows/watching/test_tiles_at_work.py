"""The driver looks at the logs of tiles at work and at no others, however many there are."""

from __future__ import annotations

import builtins
import io
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pipeline.config import RunConfig
from pipeline.geometry import Tile
from pipeline.results.artifacts import Artifact
from pipeline.results.records import Missing
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from workflows.output import KeepingConsole
from workflows.stage import Stage
from workflows.watching import progress
from workflows.watching.long_tasks import Share, Work, last_lines
from workflows.watching.tile_states import describe, tile_states
from workflows.watching.tiles_at_work import TilesAtWork


class Task(Future):
    """A task as Parsl's futures show it."""

    def __init__(self, status: str = "launched") -> None:
        super().__init__()
        self.task_record = {"executor": "tiles", "from_memo": False}
        self.status = status

    def task_status(self) -> str:
        return self.status

    def reuse(self) -> None:
        self.task_record["from_memo"] = True
        self.set_result(Artifact("", ""))


def run_of(folder: Path, tiles: int) -> Run:
    """A run whose tiles lie in a row."""
    inference = {"box": f"0:{64 + 56 * (tiles - 1)},0:64,0:64", "tile": (64, 64, 64), "overlap": (8, 8, 8)}
    document = {"network": {"fov": (9, 9, 9), "deltas": (2, 2, 2)}, "inference": inference}
    run = Run(folder, RunConfig.model_validate(document))
    assert len(run.tiles) == tiles
    return run


def report(
    run: Run,
    tile: Tile,
    seeds: int,
    restored: int = 0,
    when: float | None = None,
    seconds: float = 1.0,
    in_attempt: dict[str, float] | None = None,
) -> None:
    """What a worker writes that has tried `seeds` of 100 seeds of a tile."""
    line = {"time": when or time.time() + 1, "seconds": seconds, "seeds": seeds, "seeds_total": 100}
    line |= {"resumed_at_seeds": restored, "calls": 10, "resumed_at_calls": 0, **(in_attempt or {})}
    run.tile_log(tile).parent.mkdir(parents=True, exist_ok=True)
    run.tile_log(tile).write_text(json.dumps(line) + "\n")


def mark(run: Run, tile: Tile) -> None:
    run.tile_marker(tile).parent.mkdir(parents=True, exist_ok=True)
    run.tile_marker(tile).write_text("1 1")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were opened since it was cleared."""
    names: list[str] = []
    really_open: Callable[..., Any] = builtins.open

    def noting(file: Any, *args: Any, **kwargs: Any) -> Any:
        names.append(Path(file).name)
        return really_open(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", noting)
    return names


def test_every_look_opens_the_logs_of_the_tiles_at_work_and_no_others(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand tiles, with logs of an older attempt, four are at work; one of them ends."""
    run = run_of(tmp_path, 1000)
    tasks = [Task() for _ in run.tiles]
    for tile in run.tiles:
        report(run, tile, 50)
    for task in tasks[:300]:
        task.reuse()
    at_work = run.tiles[300:304]
    for tile in at_work:
        mark(run, tile)
    looks: list[list[str]] = []

    def check() -> None:
        looks.append(list(opened))
        opened.clear()
        if len(looks) == 4:
            run.tile_marker(at_work[0]).unlink()
        if len(looks) == 5:
            tasks[300].set_result(Artifact("", ""))
        if len(looks) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress, "POLL_S", 0)
    opened.clear()
    with pytest.raises(KeyboardInterrupt):
        progress.watch(run, [Stage("segment", tasks)], Console(file=io.StringIO()), check, dict)
    names = [run.tile_log(tile).name for tile in at_work]
    four, three = sorted(names), sorted(names[1:])
    found = [sorted(name for name in look if name.endswith(".jsonl")) for look in looks]
    assert found == [[], four, four, four, three, sorted(names), three, three]


def test_a_stage_is_counted_by_how_its_tasks_end(tmp_path: Path) -> None:
    tasks = [Task() for _ in range(3)]
    state = progress._State(run_of(tmp_path, 3), Stage("segment", tasks))
    tasks[0].reuse()
    state.update({})
    assert (state.status, state.count, state.reused, state.ended) == ("running", "1/3", 1, False)
    tasks[2].set_exception(ValueError())
    state.update({"tiles": "job 7 is queued", "train": "job 8 is queued"})
    assert (state.status, state.count, state.detail) == ("failed", "1/3", "job 7 is queued")
    tasks[1].set_result(Artifact("", ""))
    state.update({})
    assert (state.count, state.ended, state.finished is not None) == ("2/3", True, True)


def test_a_training_that_has_ended_is_not_said_to_log_nothing(tmp_path: Path) -> None:
    """One that had seen all its FOVs when it was stopped ends without another line."""
    run, task = run_of(tmp_path, 1), Task()
    state = progress._State(run, Stage("train", [task], training=run))
    run.logs_folder.mkdir()
    line = {"fovs_seen": 9, "fovs_per_s": 9.0, "loss": 0.25, "accuracy": 0.9, "f1": 0.8}
    run.training_log.write_text(json.dumps(line) + "\n")
    os.utime(run.training_log, (time.time() - 7200, time.time() - 7200))
    task.set_result(None)
    state.update({})
    assert state.status == "done"
    assert state.detail.endswith("F1 0.800")


def test_of_a_terminal_progress_is_kept_as_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # which makes a terminal of anything
    console, task = KeepingConsole.at(tmp_path / "driver.log"), Task()
    assert console.is_terminal
    task.set_result(Artifact("", ""))
    progress.watch(run_of(tmp_path, 1), [Stage("merge", [task])], console, lambda: None, dict)
    assert "merge" in capsys.readouterr().out
    assert re.fullmatch(r"merge +done +1/1  0:00\n+", (tmp_path / "driver.log").read_text())


def test_a_stage_has_begun_when_one_of_its_tasks_runs(tmp_path: Path) -> None:
    tasks = [Task("pending"), Task("pending")]
    state = progress._State(run_of(tmp_path, 2), Stage("write", tasks))
    state.update({})
    assert state.status == "waiting"
    tasks[1].status = "running"
    state.update({})
    assert state.status == "running"


def test_a_tile_between_its_last_report_and_its_end_does_not_lose_its_share(tmp_path: Path) -> None:
    run = run_of(tmp_path, 2)
    tiles = TilesAtWork(run)
    mark(run, run.tiles[0])
    report(run, run.tiles[0], 80)
    assert tiles.look(0).done == 0.8
    run.tile_marker(run.tiles[0]).unlink()
    assert tiles.look(0).done == 0.8
    tiles.end(0, 0, counts=True)
    assert tiles.look(0) == Work(1.0, 1.0, run.tiles[0].box.size)


def test_what_an_earlier_job_of_the_attempt_did_of_a_tile_is_work_of_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tile longer than a job goes on in each from the checkpoint of the one before; so does its log."""
    run, now = run_of(tmp_path, 2), time.time()
    tiles, size = TilesAtWork(run), run.tiles[0].box.size
    mark(run, run.tiles[0])
    for seeds, restored in ((30, 20), (60, 50), (90, 80)):
        in_attempt = {"attempt_began": now - 100, "attempt_began_at_seeds": 20}
        report(run, run.tiles[0], seeds, restored, when=now, in_attempt=in_attempt)
        found = tiles.look(0)
        assert found.done == pytest.approx(seeds / 100)
        assert found.worked == pytest.approx(seeds / 100 - 0.2), "a fifth was done by an older attempt"
    assert tiles.began == now - 100
    states = tile_states(run, [Missing("never done")] * 2, last_lines(run, Look()), (), 0, alive=True)
    monkeypatch.setattr("workflows.watching.tile_states.time", SimpleNamespace(time=lambda: now))
    said, left_s = describe(states)
    assert said == f"45% of the seeds, {0.7 * size / 100:,.0f} voxels/s"
    assert left_s == pytest.approx(100 * 1.1 / 0.7), "as status tells it, which looks once"
    tiles.end(0, 0, counts=True)
    assert tiles.look(0) == Work(1.0, 0.8, 0.8 * size)


def test_the_time_left_is_told_by_that_of_work_and_not_by_that_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five hours in the queue, then half of one of two tiles in ten minutes: half an hour is left."""
    run, now = run_of(tmp_path, 2), time.time()
    monkeypatch.setattr(progress, "time", SimpleNamespace(time=lambda: now))
    state = progress._State(run, Stage("segment", [Task(), Task()]))
    state.update({"tiles": "job 7 is queued"})
    assert state.started is not None
    state.started -= 5 * 3600
    mark(run, run.tiles[0])
    report(run, run.tiles[0], 50, when=now, seconds=600.0)
    state.update({})
    assert state.detail.endswith(", 30:00 left")


FATES = ("waiting", "at work", "finished", "failed", "reused")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(FATES), st.integers(0, 100), st.integers(0, 100), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_done_is_the_sum_over_all_tiles(fates: list[tuple[str, int, int, bool]]) -> None:
    """By the definition: reports of older attempts say nothing, what failed or was reused does not count."""
    began = 1000.0
    expected = []
    with tempfile.TemporaryDirectory() as folder:
        run = run_of(Path(folder), len(fates))
        tiles = TilesAtWork(run)
        for index, (tile, (fate, restored, worked, is_old)) in enumerate(zip(run.tiles, fates)):
            seeds = min(100, restored + worked)
            report(run, tile, seeds, restored, began + (-1 if is_old else 1))
            if fate == "at work":
                mark(run, tile)
            if fate in ("finished", "failed", "reused"):
                tiles.end(index, began, counts=fate == "finished")
            share = Share() if is_old or fate == "waiting" else Share(seeds / 100, restored / 100)
            if fate == "finished":
                share = share._replace(done=1.0)
            if fate not in ("failed", "reused"):
                expected.append((share, tile.box.size))
        found = tiles.look(began)
    assert tiles.count == len(expected)
    assert found.done == pytest.approx(sum(share.done for share, _ in expected))
    assert found.worked == pytest.approx(sum(share.worked for share, _ in expected))
    assert found.voxels == pytest.approx(sum(share.worked * size for share, size in expected))


def test_the_last_lines_are_those_of_the_logs_there_are_and_known_ones_are_not_read_again(
    tmp_path: Path, opened: list[str]
) -> None:
    run = run_of(tmp_path, 5)
    assert last_lines(run, Look()) == {}
    for tile in run.tiles[:3]:
        report(run, tile, 10 * (tile.index + 1))
    opened.clear()
    lines = last_lines(run, Look())
    assert {name: line["seeds"] for name, line in lines.items()} == {
        tile.name: 10 * (tile.index + 1) for tile in run.tiles[:3]
    }
    assert sorted(opened) == sorted(run.tile_log(tile).name for tile in run.tiles[:3])
    opened.clear()
    known = {run.tiles[0].name: lines[run.tiles[0].name]}
    assert last_lines(run, Look(), known) == lines
    assert sorted(opened) == sorted(run.tile_log(tile).name for tile in run.tiles[1:3])
