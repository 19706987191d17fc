"""Publishing: a file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.artifacts import publishing
from pipeline.errors import InputError


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
    with pytest.raises(InputError, match=r"cannot write .*file/a"), publishing(tmp_path / "file" / "a"):
        pass


def test_a_full_disk_is_an_input_error(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"cannot write .*a: No space left"),
        publishing(tmp_path / "a"),
        open("/dev/full", "w") as full,
    ):
        full.write("x" * 100_000)
    assert os.listdir(tmp_path) == []
