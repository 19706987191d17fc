"""Records of groups spare work, and nothing else: what is found with them is what is found without."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_explain import RUN_AGAIN, finish, make_run

from apps import targets
from apps.targets import OF_MANY
from pipeline.errors import InputError
from pipeline.results import group_records as records_module
from pipeline.results.artifacts import Artifact
from pipeline.results.finished import Finished
from pipeline.results.group_records import GroupRecords, entry_of
from pipeline.results.records import RECORD, record_path
from pipeline.run_folder import Run
from workflows.planning import calls, explain
from workflows.planning.calls import Calls, group_records
from workflows.planning.discards import refuse_to_discard
from workflows.planning.explain import StageStatus
from workflows.running import summing_up
from workflows.running.submission import Submission
from workflows.running.summing_up import SummingUp
from workflows.stages import build

SMALL = 7
"""Tasks of a group here."""


@pytest.fixture(autouse=True, scope="module")
def small_groups() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for module in (records_module, explain, summing_up):
            patch.setattr(module, "GROUP", SMALL)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a finished run that was started again."""
    folder = tmp_path_factory.mktemp("run")
    finish(make_run(folder))
    assert start(make_run(folder)) == []
    return folder


def start(run: Run) -> list[str]:
    """What a start does until its tasks are submitted; the apps of those that run."""
    ran = []

    def call(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        ran.append(app.__name__)
        return Future()

    finished = refuse_to_discard(run)
    summing = SummingUp(group_records(run), finished)
    build(run, Submission(call, verify=False, known=finished, summing_up=summing).submit)
    summing.end()
    return ran


def group_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "checked").iterdir())}


def without_groups(run: Run) -> list[StageStatus]:
    aside = run.folder / "aside"
    run.group_records_folder.rename(aside)
    try:
        return explain.explain(run)
    finally:
        aside.rename(run.group_records_folder)


def worked_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The apps of tasks whose recipes are worked out to plan a run."""
    apps = []

    def target_of(app: str, *args: Any) -> Any:
        apps.append(app)
        return targets.target_of(app, *args)

    with monkeypatch.context() as patch:
        patch.setattr(explain, "target_of", target_of)
        assert all(status.finished == status.tasks for status in explain.explain(run))
    return apps


def test_of_finished_groups_nothing_is_worked_out_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not set(worked_out(make_run(folder), monkeypatch)) & OF_MANY


def test_a_start_that_finds_all_of_it_writes_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "checked").iterdir()}
    assert start(make_run(folder)) == []
    assert {path: path.stat().st_mtime_ns for path in (folder / "checked").iterdir()} == before


def test_a_copy_without_times_is_read_once(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    read = Finished()
    explain.outcomes(make_run(tmp_path / "copy"), known=read)
    assert len(read.touched) > 50
    # it reports where it lies
    assert start(make_run(tmp_path / "copy")) == ["write_facts", "write_page"]
    again = Finished()
    explain.outcomes(make_run(tmp_path / "copy"), known=again)
    assert again.touched == []


def test_only_looking_writes_nothing(tmp_path: Path) -> None:
    finish(make_run(tmp_path))
    explain.explain(make_run(tmp_path))
    assert not (tmp_path / "checked").exists()


@pytest.mark.parametrize("damage", ["torn", "emptied", "of another program", "removed"])
def test_a_group_whose_record_does_not_hold_is_recorded_anew_in_the_same_bytes(
    folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = group_files(folder)
    file = folder / "checked" / next(iter(before))
    if damage == "of another program":
        with monkeypatch.context() as patch:
            patch.setattr(calls, "_program", lambda: "another")
            assert start(make_run(folder)) == []
        assert not group_files(folder).items() & before.items()
    elif damage == "removed":
        file.unlink()
    else:
        file.write_bytes(before[file.name][: 500 if damage == "torn" else 0])
    assert set(worked_out(make_run(folder), monkeypatch)) & OF_MANY
    assert start(make_run(folder)) == []
    assert group_files(folder) == before


@pytest.mark.parametrize("change", RUN_AGAIN)
def test_a_changed_setting_runs_what_it_would_run_without_them(folder: Path, change: str) -> None:
    run = make_run(folder, change)
    assert explain.explain(run) == without_groups(run)


def test_other_arguments_are_another_call(folder: Path) -> None:
    run, others = make_run(folder), make_run(folder, "inference.move_threshold=0.8")
    sums = set()
    tile, box = run.tiles[0], run.tiles[0].box
    for args in (
        (run, tile),
        (others, tile),
        (run, run.tiles[1]),
        (run, box),
        (run, (tile,)),
        (run, [tile, 1]),
    ):
        sums.add(Calls().sum_of("segment_tile", args, {}))
    sums |= {
        Calls().sum_of("find_evidence", (run, tile), {}),
        Calls().sum_of("segment_tile", (run,), {"x": tile}),
    }
    assert len(sums) == 8
    assert Calls().sum_of("segment_tile", (run, tile), {"after": 1}) in sums  # says only when


def test_a_group_that_is_not_finished_has_no_record(tmp_path: Path) -> None:
    finish(make_run(tmp_path))
    run = make_run(tmp_path)
    lost = run.tile_file(run.tiles[-1])
    lost.unlink()
    assert start(run)[0] == "segment_tile"
    said = b"".join(group_files(tmp_path).values()).decode()
    assert lost.name not in said
    assert run.tile_file(run.tiles[0]).name in said


def test_a_full_disk_does_not_end_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise InputError("no space left on device")

    finish(make_run(tmp_path))
    monkeypatch.setattr(records_module.GroupRecords, "write", refuse)
    assert start(make_run(tmp_path)) == []


def test_one_that_cannot_be_read_hides_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = sorted((folder / "checked").iterdir())[0]
    text = file.read_bytes()
    file.unlink()
    file.mkdir()  # for root every file is readable, and no folder
    try:
        assert worked_out(make_run(folder), monkeypatch)
    finally:
        file.rmdir()
        file.write_bytes(text)


HARMLESS = {"touched", "replaced"}
"""To a record."""
DAMAGES = ("deleted", "torn", "edited", "edited in its time", *sorted(HARMLESS))


@settings(deadline=None, max_examples=25, phases=set(Phase) - {Phase.shrink, Phase.explain})
@given(data=st.data())
def test_whatever_is_damaged_is_found_as_without_them(folder: Path, data: st.DataObject) -> None:
    run = make_run(folder)
    made = [path for stage in explain.results(run) for path in stage.tasks]
    files = [*made, *map(record_path, made), *sorted(run.segmentation_folder.rglob("*z*_y*"))]
    one = st.tuples(st.sampled_from(files), st.sampled_from(DAMAGES))
    damages = data.draw(st.lists(one, min_size=1, max_size=3, unique_by=lambda drawn: drawn[0]))
    kept = {file: (file.read_bytes(), file.stat()) for file, _ in damages}
    try:
        for file, damage in damages:
            do(damage, file)
        found = explain.explain(run)
        assert found == without_groups(run)
        bad = {damage for file, damage in damages if file.name.endswith(RECORD)} - HARMLESS
        assert not bad or any(status.finished < status.tasks for status in found)
    finally:
        for file, (content, status) in kept.items():
            file.write_bytes(content)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def do(damage: str, file: Path) -> None:
    """Damage a file; what is done in its time leaves size and time of change as they were."""
    content, status = file.read_bytes(), file.stat()
    if damage == "deleted":
        file.unlink()
    elif damage == "torn":
        os.truncate(file, len(content) // 2)
    elif damage == "touched":
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    elif damage == "replaced":
        file.rename(file.with_name("other"))
        file.write_bytes(content)
        file.with_name("other").unlink()
    else:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        if damage == "edited in its time":
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_record_says_who_made_it_for_whom(folder: Path) -> None:
    for content in group_files(folder).values():
        record = json.loads(content)
        assert record["of"].split()[0] == calls._program()
        assert len(record["tasks"]) <= SMALL


def test_a_group_of_which_a_task_was_put_off_has_no_record(folder: Path, tmp_path: Path) -> None:
    run = make_run(folder)
    known = Finished()
    explain.outcomes(run, known=known)
    known.looked_into.add(0)
    summing = SummingUp(GroupRecords(tmp_path / "checked", "of"), known)
    for number in (0, 2):
        summing.note(number, "train", (), {}, known.found(number))
    summing.end()
    assert not (tmp_path / "checked").exists()


@pytest.mark.parametrize("name", ["tile.h5", "two\twords.h5"])
def test_a_name_with_a_tab_is_in_no_group(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"labels")
    record = {"size": 6, "mtime_ns": path.stat().st_mtime_ns, "parts": {}}
    entry = entry_of("call", Artifact(str(path), "sum"), 1, record, None)
    assert (entry is None) == ("\t" in name)
