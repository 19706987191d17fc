"""Artifacts: whole or not at all, and made again exactly when their recipe changes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.artifacts import Recipe, file_sha256, finished, make, publishing
from pipeline.errors import InputError

RECIPE = Recipe("stage", 1, {"a": 1}, {"input": "abc"})


class Writer:
    """Writes one text and counts how often it was asked to."""

    def __init__(self, text: str = "result") -> None:
        self.text = text
        self.calls = 0

    def __call__(self, path: Path) -> None:
        self.calls += 1
        path.write_text(self.text)


def test_an_artifact_is_made_once(tmp_path: Path) -> None:
    write = Writer()
    first = make(tmp_path / "deep" / "a", RECIPE, write)
    second = make(tmp_path / "deep" / "a", RECIPE, write)
    assert (write.calls, first) == (1, second)
    assert first.sha256 == file_sha256(tmp_path / "deep" / "a")


@pytest.mark.parametrize(
    "changed",
    [
        Recipe("other", 1, {"a": 1}, {"input": "abc"}),
        Recipe("stage", 2, {"a": 1}, {"input": "abc"}),
        Recipe("stage", 1, {"a": 2}, {"input": "abc"}),
        Recipe("stage", 1, {"a": 1}, {"input": "abd"}),
    ],
)
def test_any_change_of_the_recipe_makes_it_again(tmp_path: Path, changed: Recipe) -> None:
    write = Writer()
    make(tmp_path / "a", RECIPE, write)
    assert finished(tmp_path / "a", changed) is None
    make(tmp_path / "a", changed, write)
    assert write.calls == 2


def test_a_file_without_its_record_or_of_another_size_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("somebody else's")
    write = Writer()
    make(path, RECIPE, write)
    path.write_text("res")
    assert finished(path, RECIPE) is None
    record = tmp_path / "a.done.json"
    make(path, RECIPE, write)
    record.write_text(record.read_text()[:40])
    assert finished(path, RECIPE) is None
    record.write_text(json.dumps(["not a record"]))
    assert finished(path, RECIPE) is None
    assert write.calls == 2


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def fail() -> None:
        with publishing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("died")

    with pytest.raises(RuntimeError, match="died"):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_refusing_file_system_is_an_input_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*file/a"):
        make(tmp_path / "file" / "a", RECIPE, Writer())


def test_a_full_disk_is_an_input_error(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        with open("/dev/full", "w") as full:
            full.write("x" * 100_000)

    with pytest.raises(InputError, match=r"cannot write .*a: No space left"):
        make(tmp_path / "a", RECIPE, write)
    assert os.listdir(tmp_path) == []
