"""Records: an artifact is made again exactly when it is not what its recipe makes, and it is said why."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import InputError, Unreadable
from pipeline.results.artifacts import Artifact, Recipe, Target, file_sha256
from pipeline.results.changes import told_changes
from pipeline.results.records import NEVER_DONE, Missing, discard, inspect, make, record_path
from tests.denied import denied, end_loop, make_loop, snapshot

RECIPE = Recipe("stage", 1, {"inference": {"deltas": [8, 8, 8], "tile": "a"}, "b": 1}, {"image": "abc"})


class Writer:
    """Writes one text and counts how often it was asked to."""

    def __init__(self, text: str = "result") -> None:
        self.text = text
        self.calls = 0

    def __call__(self, path: Path) -> None:
        self.calls += 1
        path.write_text(self.text)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "deep" / "a", RECIPE)


def why(target: Target, verify: bool = False) -> str:
    """Why the target's file can not be used; the test fails where it can."""
    found = inspect(target, verify)
    assert isinstance(found, Missing)
    return found.why


def test_an_artifact_is_made_once(target: Target) -> None:
    write = Writer()
    assert why(target) == NEVER_DONE
    first = make(target, write)
    assert (make(target, write), inspect(target), inspect(target, verify=True)) == (first,) * 3
    assert write.calls == 1
    assert first.sha256 == file_sha256(target.path)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            replace(RECIPE, settings={**RECIPE.settings, "meshes": {"transform": [1.0] * 40}}),
            "settings changed: meshes",
        ),
        (
            replace(RECIPE, settings={**RECIPE.settings, "b": "a" * 40}),
            f"settings changed: b 1 -> {'a' * 40}",
        ),
        (replace(RECIPE, stage="other"), "stage version changed: stage 1 -> 1"),
        (replace(RECIPE, version=2), "stage version changed: stage 1 -> 2"),
        (
            replace(RECIPE, settings={"inference": {"deltas": (4, 8, 8), "tile": "a"}, "b": 1}),
            "settings changed: inference.deltas [8, 8, 8] -> [4, 8, 8]",
        ),
        (replace(RECIPE, settings={}), "settings changed: b 1 -> null, inference"),
        (replace(RECIPE, inputs={"image": "abd"}), "input changed: image"),
        (replace(RECIPE, inputs={"image": "abc", "model": "x"}), "input changed: model"),
    ],
)
def test_any_change_of_the_recipe_makes_it_again_and_is_named(
    target: Target, changed: Recipe, reason: str
) -> None:
    write = Writer()
    make(target, write)
    assert why(replace(target, recipe=changed)).startswith(reason)
    make(replace(target, recipe=changed), write)
    assert write.calls == 2


def test_tuples_and_lists_are_the_same_setting(target: Target) -> None:
    make(target, Writer())
    same = replace(RECIPE, settings={"inference": {"deltas": (8, 8, 8), "tile": "a"}, "b": 1})
    assert isinstance(inspect(replace(target, recipe=same)), Artifact)


def test_a_file_without_its_record_does_not_count(target: Target) -> None:
    target.path.parent.mkdir()
    target.path.write_text("somebody else's")
    assert why(target) == "record missing"


def test_a_torn_missing_or_changed_file_is_noticed(target: Target) -> None:
    make(target, Writer())
    target.path.write_text("res")
    assert why(target) == "file torn: 3 bytes instead of 6"
    target.path.write_text("resulT")
    assert why(target) == "file damaged: its SHA-256 is not the recorded one"
    target.path.unlink()
    assert why(target) == "file missing"


def test_a_file_that_only_got_another_time_of_change_is_read_and_counts(target: Target) -> None:
    made = make(target, Writer())
    os.utime(target.path, ns=(1, 1))
    assert inspect(target) == made


def test_silent_corruption_is_noticed_when_asked_to_verify(target: Target) -> None:
    made = make(target, Writer())
    status = target.path.stat()
    target.path.write_text("resulT")
    os.utime(target.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert inspect(target) == made
    assert why(target, verify=True).startswith("file damaged")
    discard(target)
    make(target, Writer())
    assert inspect(target, verify=True) == made


def test_a_record_that_is_torn_flipped_or_no_record_is_noticed(target: Target) -> None:
    make(target, Writer())
    record = record_path(target.path)
    whole = record.read_bytes()
    rng = random.Random(3)
    for _ in range(200):
        place = rng.randrange(len(whole))
        record.write_bytes(whole[:place])
        assert why(target) == "record damaged"
        flipped = bytes([whole[place] ^ 1 << rng.randrange(8)])
        record.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        assert why(target) == "record damaged"
    record.write_text(json.dumps(["not a record"]))
    assert why(target) == "record damaged"


def test_another_artifacts_file_and_record_are_not_taken_for_this_one(target: Target) -> None:
    other = Target(
        target.path.with_name("b"), replace(RECIPE, settings={**RECIPE.settings, "b": 2}), target.parts
    )
    make(target, Writer())
    make(other, Writer("another"))
    for mine, theirs in ((target.path, other.path), (record_path(target.path), record_path(other.path))):
        shutil.copy2(theirs, mine)
    assert why(target) == "settings changed: b 2 -> 1"


def test_a_refusing_file_system_is_an_input_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*file/a"):
        make(Target(tmp_path / "file" / "a", RECIPE), Writer())


@pytest.mark.parametrize("hidden", ["a", "a.done.json", "deep/b"])
def test_what_cannot_be_read_is_told_and_neither_removed_nor_made_again(
    public_folder: Path, hidden: str
) -> None:
    target, write = Target(public_folder / "a", RECIPE, parts=public_folder / "deep"), Writer()
    (public_folder / "deep").mkdir()
    (public_folder / "deep" / "b").write_text("part")
    write.text = json.dumps({"b": {"size": 4, "sha256": file_sha256(public_folder / "deep" / "b")}})
    made = make(target, write)
    before = snapshot(public_folder)
    named = re.escape(f"cannot read {public_folder / hidden}")
    with denied(public_folder / hidden):
        with pytest.raises(Unreadable, match=f"{named}.*: Permission denied"):
            inspect(target, verify=True)
        if hidden.endswith(".json"):
            with pytest.raises(Unreadable, match=named):
                make(target, write)
    assert (write.calls, snapshot(public_folder)) == (1, before)
    make_loop(public_folder / hidden)
    with pytest.raises(Unreadable, match=f"{named}.*: Too many levels of symbolic links"):
        make(target, write)
    end_loop(public_folder / hidden)
    assert (write.calls, inspect(target, verify=True)) == (1, made)


def test_the_parts_of_an_artifact_belong_to_it(tmp_path: Path) -> None:
    target = Target(tmp_path / "list.json", RECIPE, parts=tmp_path / "parts")
    (tmp_path / "parts").mkdir()

    def write(path: Path) -> None:
        listed = {}
        for name in ("one", "two"):
            part = tmp_path / "parts" / name
            part.write_text(name)
            listed[name] = {"size": 3, "sha256": file_sha256(part)}
        path.write_text(json.dumps(listed))

    made = make(target, write)
    assert inspect(target, verify=True) == made
    (tmp_path / "parts" / "two").write_text("twO")
    assert why(target).startswith("file damaged")
    assert make(target, write) == made
    (tmp_path / "parts" / "one").unlink()
    assert why(target) == "file missing"


def test_the_volume_of_an_alignment_is_not_told_by_settings_of_a_run() -> None:
    old, new = ({"scale": {"chunk_sizes": [side]}} for side in (32, 64))
    assert told_changes("write", old, new) == ["reconciliation.chunk"]
    assert told_changes("render", old, new) == ["scale.chunk_sizes [32] -> [64]"]
