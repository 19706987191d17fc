"""The folder in which processes of one user meet: his alone, or none."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.machine.private_folder import private_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pipeline.machine.private_folder.socket_folder", lambda: tmp_path)
    return tmp_path


def test_it_is_made_once_and_only_its_user_can_enter(temporary: Path) -> None:
    folder = private_folder()
    assert folder.parent == temporary
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private_folder() == folder


@pytest.mark.parametrize("kind", ["open to others", "link", "file"])
def test_what_another_could_have_put_in_its_place_is_refused(temporary: Path, kind: str) -> None:
    folder = private_folder()
    folder.rmdir()
    if kind == "open to others":
        folder.mkdir()
        folder.chmod(0o750)
    elif kind == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to("elsewhere")
    else:
        folder.touch(mode=0o600)
    with pytest.raises(InputError, match=r"ffn-\d+ is not a folder that only you can enter .* set TMPDIR"):
        private_folder()
