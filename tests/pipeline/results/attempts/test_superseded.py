"""A process of an older attempt that goes on takes nothing from a newer one: no file, no log, no process.

A newer attempt begins, in a process of its own, between an older one's decision to remove something and
the removal, and does its work in the same places.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.failures import GIVE_UP, FailurePolicy
from pipeline.config import RunConfig
from pipeline.errors import InputError, Superseded
from pipeline.evaluation.stage import set_old_scores_aside
from pipeline.inference import segmenter
from pipeline.inference.endurance.memory_share import losses
from pipeline.reconciliation import create_volume
from pipeline.reconciliation import write as volume_writing
from pipeline.results import artifacts, records
from pipeline.results.artifacts import (
    Artifact,
    Recipe,
    Target,
    open_anew,
    publishing,
    remove,
    remove_temporaries,
)
from pipeline.results.attempts import Owner, processes_of
from pipeline.results.attempts.fencing import ATTEMPT, RUN
from pipeline.results.attempts.leftovers import end_processes
from pipeline.results.attempts.ownership import Ownership
from pipeline.run_folder import Run
from pipeline.training import checkpoint, training_log
from pipeline.training.progress import Progress
from pipeline.training.ranks import launch_line, launched_rank, rank
from workflows.running.jobs import cancel_leftovers

BEGIN = """
import sys
from pathlib import Path
from pipeline.results.attempts import begin
for line in sys.stdin:
    with begin(Path(line[:-1]), "seed: 1", lambda said: None):
        pass
    print("begun", flush=True)
"""
"""One process makes all newer attempts: to start one takes longer than what a test does."""
OF_ATTEMPTS = ("owner.json", "attempt", "logs/attempts.jsonl")


@cache
def another() -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", BEGIN], stdin=pipe, stdout=pipe, text=True)


@pytest.fixture(scope="module", autouse=True)
def _end_another() -> Iterator[None]:
    yield
    another().communicate()
    another.cache_clear()


def begin_another(folder: Path) -> None:
    process = another()
    assert process.stdin is not None
    assert process.stdout is not None
    print(folder, file=process.stdin, flush=True)
    assert process.stdout.readline() == "begun\n"


def files(folder: Path) -> dict[str, bytes]:
    """All files of the run folder by name, but for those that say which attempts there were."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if name not in OF_ATTEMPTS}


class Newer:
    """Begins a newer attempt on `folder` when it is told to, which writes `names`, and knows them later."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._names: tuple[str, ...] = ()
        self._written: dict[str, bytes] = {}

    def begin(self, *names: str) -> None:
        begin_another(self.folder)
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} of the newer attempt")
        self._names = names
        self._written = self._files()

    def begin_at(self, owner: Any, function: str, *names: str) -> None:
        """Begin once, as soon as `owner.function` is called."""
        called = getattr(owner, function)

        def begin_first(*args: Any, **kwargs: Any) -> Any:
            if not self._written:
                self.begin(*names)
            return called(*args, **kwargs)

        self._monkeypatch.setattr(owner, function, begin_first)

    def assert_untouched(self) -> None:
        """What the newer attempt found and wrote is all there, as it was, and nothing else."""
        assert self._written
        assert self._files() == self._written

    def _files(self) -> dict[str, bytes]:
        """All but temporary files of the older one."""
        found = files(self.folder).items()
        return {name: text for name, text in found if not name.endswith(".tmp") or name in self._names}


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Newer:
    """This process belongs to attempt 1 on `tmp_path`."""
    begin_another(tmp_path)
    monkeypatch.setenv(RUN, str(tmp_path))
    monkeypatch.setenv(ATTEMPT, "1")
    return Newer(tmp_path, monkeypatch)


def run_in(folder: Path) -> Run:
    document = {
        "data": {"image": "phantom", "voxel_size_nm": (8, 8, 8)},
        "inference": {"box": "0:64,0:64,0:64"},
    }
    return Run(folder, RunConfig.model_validate(document))


def write_all(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} of the older attempt")


@pytest.mark.parametrize(("name", "written"), [("a", "a"), ("folder", "folder/deep/b"), ("link", "link")])
def test_a_file_a_folder_or_a_link_is_removed_whole_or_stays_whole(
    newer: Newer, name: str, written: str
) -> None:
    folder = newer.folder / "place"
    write_all(newer.folder, "place/a", "place/folder/deep/b", "elsewhere/c")
    (folder / "link").symlink_to(newer.folder / "elsewhere")
    remove(folder / name)
    remove(folder / name)  # what is gone is no error
    assert sorted(os.listdir(folder)) == sorted({"a", "folder", "link"} - {name})
    assert (newer.folder / "elsewhere" / "c").exists()
    newer.begin(f"place/{written}")
    with pytest.raises(Superseded, match="attempt 2 has begun"):
        remove(folder / name)
    newer.assert_untouched()


def test_a_folder_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(16, "Device or resource busy")

    (tmp_path / "mounted").mkdir()
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(InputError, match=r"cannot remove .*mounted: Device or resource busy"):
        remove(tmp_path / "mounted")


def test_what_a_killed_removal_of_a_folder_left_is_removed_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path, "segmentation/info", "segmentation/8_8_8/chunk")
    with monkeypatch.context() as killed:
        killed.setattr(artifacts.shutil, "rmtree", lambda *_, **__: None)
        remove(tmp_path / "segmentation")
    assert len(files(tmp_path)) == 2
    assert not (tmp_path / "segmentation").exists()
    remove_temporaries(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_volume_of_another_box_is_not_removed_from_under_a_newer_attempt(newer: Newer) -> None:
    run = run_in(newer.folder)
    write_all(newer.folder, "segmentation/info", "segmentation/old/chunk")
    newer.begin_at(volume_writing, "_was_of", "segmentation/info", "segmentation/new/chunk")
    with pytest.raises(Superseded):
        create_volume(run)
    newer.assert_untouched()


def test_a_volume_of_another_box_is_removed_where_no_newer_attempt_began(newer: Newer) -> None:
    run = run_in(newer.folder)
    write_all(newer.folder, "segmentation/info", "segmentation/old/chunk")
    create_volume(run)
    assert sorted(os.listdir(run.segmentation_folder)) == ["info", "segment_properties"]


def test_a_record_is_not_discarded_that_a_newer_attempt_has_written(newer: Newer) -> None:
    target = Target(newer.folder / "a", Recipe("stage", 1, {}, {}))

    def write(path: Path) -> None:
        path.write_text("whole")

    records.make(target, write)
    target.path.write_text("torn")
    assert isinstance(records.inspect(target), records.Missing)
    newer.begin("a", "a.done.json")
    with pytest.raises(Superseded):
        records.discard(target)
    newer.assert_untouched()


def test_the_checkpoint_of_a_tile_stays_that_a_newer_attempt_has_begun(
    newer: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_in(newer.folder)
    tile = next(iter(run.grid))
    name = str(run.tile_checkpoint_file(tile).relative_to(newer.folder))
    monkeypatch.setattr(segmenter, "tile_target", lambda *_: None)
    monkeypatch.setattr(segmenter, "make", lambda *_: Artifact("made by the older one", ""))
    newer.begin_at(segmenter, "make", name)
    with pytest.raises(Superseded):
        segmenter.segment_tile(run, tile, Artifact("", ""))
    newer.assert_untouched()


def test_temporaries_of_a_newer_attempts_writers_stay(newer: Newer) -> None:
    old, new = ".old.0000000_.tmp", ".new.0000000_.tmp"
    write_all(newer.folder, old, f"tiles/{old}", "tiles/.0123456789abcdef.tmp/a")
    newer.begin_at(artifacts, "_is_temporary", new, f"tiles/{new}", ".fedcba9876543210.tmp/a")
    with pytest.raises(Superseded):
        remove_temporaries(newer.folder)
    newer.assert_untouched()


def test_training_logs_are_not_begun_anew_over_a_newer_attempts(newer: Newer) -> None:
    path, folder = newer.folder / "training.jsonl", newer.folder / "tensorboard"
    newer.begin_at(training_log, "remove", "training.jsonl", "tensorboard/events.new")
    with pytest.raises(Superseded):
        training_log.TrainingLog(path, folder, [])
    newer.assert_untouched()


def test_nothing_is_added_to_a_newer_attempts_training_logs(newer: Newer) -> None:
    path, folder = newer.folder / "training.jsonl", newer.folder / "tensorboard"
    log = training_log.TrainingLog(path, folder, [{"step": 1, "loss": 0.5}])
    remove(folder)
    newer.begin("training.jsonl", "tensorboard/events.new")
    with pytest.raises(Superseded):
        log.append({"step": 2, "loss": 0.4})
    newer.assert_untouched()


def test_neither_of_a_newer_attempts_training_checkpoints_is_moved(newer: Newer) -> None:
    path = newer.folder / "model" / "checkpoint.h5"
    path.parent.mkdir()

    def save(rounds: int) -> None:
        weights = {"conv/bias": np.zeros(1)}
        checkpoint.Checkpoint("ours", Progress(rounds, rounds), weights, [np.zeros(1)]).save(path)

    save(1)
    save(2)
    newer.begin_at(checkpoint, "sealed_hdf5")
    with pytest.raises(Superseded):
        save(3)
    newer.assert_untouched()


def test_logs_and_statuses_of_a_newer_attempts_ranks_stay(newer: Newer) -> None:
    newer.begin("logs/training/rank_0.log", "logs/training/rank_0.status")
    for do in (launch_line._clear, lambda logs: launched_rank._write_to(logs / "rank_0.log")):
        with pytest.raises(Superseded):
            do(newer.folder / "logs" / "training")
    newer.assert_untouched()


def test_a_rank_leaves_no_status_to_a_newer_attempts_launcher(
    newer: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["rank", str(newer.folder), "launch.json"])
    monkeypatch.setattr(rank, "join", lambda _: newer.folder / "rank_0.status")
    monkeypatch.setenv("HOROVOD_LOCAL_RANK", "0")  # as joining does
    monkeypatch.setattr(rank, "_train", lambda _: 1)
    newer.begin_at(rank, "_train", "rank_0.status")
    with pytest.raises(Superseded):
        rank.main()
    newer.assert_untouched()


def test_what_an_older_process_still_logs_is_not_in_a_newer_attempts_log(
    newer: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = newer.folder / "tile.jsonl"
    with open_anew(path) as older:
        begin_another(newer.folder)
        monkeypatch.setenv(ATTEMPT, "2")
        with open_anew(path) as log:
            log.write("newer\n")
            older.write("older, and longer\n")
            older.flush()
    assert path.read_text() == "newer\n"
    monkeypatch.setenv(ATTEMPT, "1")
    with pytest.raises(Superseded):
        open_anew(path)
    assert path.read_text() == "newer\n"


def test_a_newer_attempts_marker_of_a_tile_at_work_stays(newer: Newer) -> None:
    with pytest.raises(Superseded), losses(newer.folder / "tile.at_work"):
        newer.begin("tile.at_work")
    newer.assert_untouched()
    with pytest.raises(Superseded), losses(newer.folder / "tile.at_work"):
        pass
    newer.assert_untouched()


def test_failures_of_an_older_attempt_do_not_stand_among_a_newer_ones(newer: Newer) -> None:
    policy = FailurePolicy(newer.folder / "failures.jsonl")
    task: Any = {"id": 1, "func_name": "test", "args": (), "kwargs": {}, "executor": "x"}
    newer.begin("failures.jsonl")
    assert policy(Superseded("late"), task) == GIVE_UP
    newer.assert_untouched()


def test_scores_of_a_newer_attempt_are_not_set_aside(newer: Newer) -> None:
    run = run_in(newer.folder)
    write_all(newer.folder, "metrics.json", "metrics.json.done.json")
    newer.begin("metrics.json", "metrics.json.done.json")
    with pytest.raises(Superseded):
        set_old_scores_aside(run)
    newer.assert_untouched()


def test_nothing_is_published_over_a_newer_attempts_file(newer: Newer) -> None:
    def publish() -> None:
        with publishing(newer.folder / "config.yaml") as temporary:
            temporary.write_text("older")
            newer.begin("config.yaml")

    with pytest.raises(Superseded):
        publish()
    newer.assert_untouched()


def test_batch_jobs_of_a_newer_attempt_are_not_cancelled(newer: Newer) -> None:
    class Queue:
        label = "pbs"

        def delete_leftovers(self, names: set[str]) -> list[str]:
            pytest.fail(f"{names} are another's")

    newer.begin("logs/parsl/001/submit_scripts/parsl.tiles.block-0")
    config: Any = type("Config", (), {"executors": [type("Executor", (), {"provider": Queue()})]})
    with pytest.raises(Superseded):
        cancel_leftovers(run_in(newer.folder), config, print)


def test_processes_of_a_newer_attempt_are_not_ended(tmp_path: Path) -> None:
    environment = {**os.environ, RUN: str(tmp_path)}
    process = {
        number: subprocess.Popen(["sleep", "60"], env={**environment, ATTEMPT: str(number)})
        for number in (1, 2)
    }
    try:
        assert [p.pid for p in end_processes(tmp_path, newest=1)] == [process[1].pid]
        assert [p.pid for p in processes_of(tmp_path)] == [process[2].pid]
    finally:
        for each in process.values():
            each.kill()
            each.wait()


def test_a_driver_that_ends_late_does_not_say_that_a_newer_ones_has_ended(newer: Newer) -> None:
    """The older driver had asked whether the folder is its own, and was told so."""
    owner_file = newer.folder / "owner.json"
    handle = os.open(owner_file, os.O_RDWR)
    begin_another(newer.folder)
    before = owner_file.read_text()

    class Sure(Ownership):
        def check(self) -> None: ...

    owner = Owner(**{**json.loads(before), "attempt": 1})
    Sure(newer.folder, handle, owner).release()
    assert owner_file.read_text() == before
