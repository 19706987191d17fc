"""Where a file system cannot flush or lock, results are written all the same; where the disk fails, not."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from pipeline.checkup import examine
from pipeline.checkup.folder import locks, writing
from pipeline.errors import InputError
from pipeline.results.artifacts import publishing
from pipeline.results.attempts.locks import lock
from pipeline.results.attempts.ownership import Ownership


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(call, refused)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_flush_holds_results_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse(monkeypatch, "os.fsync", code)
    with publishing(tmp_path / "file") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "file").read_text() == "whole"
    finding = writing(tmp_path)
    assert (finding.state, "--verify" in finding.text) == ("warn", True)


def test_a_disk_that_fails_to_flush_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "os.fsync", errno.EIO)
    with pytest.raises(InputError, match="cannot write"), publishing(tmp_path / "file") as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == []
    assert examine(lambda: writing(tmp_path)).state == "FAIL"


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, 524])
def test_a_file_system_without_locks_has_owners_by_their_heartbeat_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse(monkeypatch, "fcntl.flock", code)
    with open(tmp_path / "file", "w") as file:
        assert not lock(file.fileno(), fcntl.LOCK_EX)
    assert locks(tmp_path).state == "warn"
    owner = Ownership.take(tmp_path / "run")
    with pytest.raises(InputError, match="is in use by"):
        Ownership.take(tmp_path / "run")
    owner.release()
    Ownership.take(tmp_path / "run").release()
