"""Publishing: a file appears whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.results.artifacts import install_first, publishing, remove_temporaries, temporary_for


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


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    killed = "import os, sys; from pathlib import Path; from pipeline.results.artifacts import publishing\n"
    killed += "with publishing(Path(sys.argv[1])) as file:\n file.write_text('half'); os.kill(os.getpid(), 9)"
    (tmp_path / "deep").mkdir()
    for name in ("kept.tmp", ".kept", "deep/kept"):
        (tmp_path / name).write_text("")
    subprocess.run([sys.executable, "-c", killed, str(tmp_path / "deep" / "a")], check=False)
    assert len(list(tmp_path.rglob("*"))) == 5
    remove_temporaries(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == [".kept", "deep", "kept", "kept.tmp"]


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


@pytest.mark.parametrize("links", [True, False])
def test_what_is_installed_first_stays_also_on_file_systems_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a"
    given = []
    for text in ("first", "second"):
        with temporary_for(path) as temporary:
            temporary.write_text(text)
            given.append(install_first(temporary, path))
    assert given == [True, False]
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["a"]


def test_temporaries_of_a_run_in_a_folder_below_are_left_to_it(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "tiles", tmp_path / "runs" / "other" / "tiles"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".a.h5.x7_lkq2z.tmp").touch()
    for folder in (tmp_path, tmp_path / "runs" / "other"):
        (folder / "owner.json").touch()
    remove_temporaries(tmp_path)
    assert [path.parent for path in tmp_path.rglob(".*.tmp")] == [tmp_path / "runs" / "other" / "tiles"]
    remove_temporaries(tmp_path / "runs" / "other")
    assert list(tmp_path.rglob(".*.tmp")) == []


@pytest.mark.parametrize("name", [".cache.tmp", ".notes.tmp", ".a.h5.backup.tmp", "a.h5.x7_lkq2z.tmp"])
def test_what_others_call_temporary_is_left_to_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    remove_temporaries(tmp_path)
    assert os.listdir(tmp_path) == [name]
