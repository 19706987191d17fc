"""What cannot be read is told, with whose it is, and taken neither for absent nor for damaged."""

from __future__ import annotations

import errno
import os
import pickle
import pwd
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.errors import Unreadable
from pipeline.results.unreadable import ABSENT, Look, is_there, names_in, read_if_there, reading
from tests.denied import denied, make_loop


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_refusal_but_that_there_is_no_such_file_is_told(tmp_path: Path, number: int) -> None:
    absent = number in (errno.ENOENT, errno.ENOTDIR)
    with pytest.raises(ABSENT if absent else Unreadable) as caught, reading(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    if not absent:
        assert f"cannot read {tmp_path / 'a'}" in str(caught.value)
        assert os.strerror(number) in str(caught.value)


def test_a_file_without_permission_is_named_with_its_owner(public_folder: Path) -> None:
    file = public_folder / "a"
    file.write_text("b")
    with denied(file), pytest.raises(Unreadable) as caught:
        read_if_there(file)
    others = f" of user {pwd.getpwuid(0).pw_name}" if os.geteuid() == 0 else ""
    assert str(caught.value).startswith(
        f"cannot read {file}{others}: Permission denied; it was left as it is"
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert read_if_there(file) == b"b"


def test_what_a_folder_hides_is_not_absent(public_folder: Path) -> None:
    folder = public_folder / "deep"
    folder.mkdir()
    with denied(folder):
        for look in (read_if_there, is_there, names_in):
            with pytest.raises(Unreadable, match="Permission denied"):
                look(folder / "a")
        with pytest.raises(Unreadable, match="deep"):
            names_in(folder)
    assert not is_there(folder / "a")


def test_links_in_a_circle_and_a_folder_in_the_place_of_a_file_are_no_absence(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("b")
    make_loop(file)
    for look in (read_if_there, is_there, names_in):
        with pytest.raises(Unreadable, match="Too many levels of symbolic links"):
            look(file)
    with pytest.raises(Unreadable, match="Is a directory"):
        read_if_there(tmp_path)


def test_what_is_not_there_is_absent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for absent in (tmp_path / "a", tmp_path / "a" / "b", tmp_path / "file" / "a"):
        assert (read_if_there(absent), is_there(absent), names_in(absent)) == (None, False, [])


def test_an_hdf5_file_that_is_torn_is_told_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.h5"
    with h5py.File(file, "w") as written:
        written["a"] = np.arange(100_000)

    def read() -> np.ndarray:
        with reading(file), h5py.File(file, "r") as opened:
            _make_reads_fail(file)
            return opened["a"][:]

    with pytest.raises(Unreadable, match="Is a directory"):
        read()
    content = file.read_bytes()
    file.write_bytes(content[:3000])
    with pytest.raises(OSError, match="truncated"), reading(file):
        h5py.File(file, "r")
    file.write_bytes(content)
    make_loop(file)
    with pytest.raises(Unreadable, match="symbolic links"), reading(file):
        h5py.File(file, "r")


def _make_reads_fail(file: Path) -> None:
    """Let the descriptor by which HDF5 has a file open refuse every further read."""
    folder = os.open(file.parent, os.O_RDONLY)
    for name in os.listdir("/proc/self/fd"):
        descriptor = f"/proc/self/fd/{name}"
        if os.path.exists(descriptor) and os.path.realpath(descriptor) == str(file.resolve()):
            os.dup2(folder, int(name))
    os.close(folder)


def test_a_look_goes_on_with_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("b")
    look = Look()
    assert look(read_if_there, tmp_path / "a") == b"b"
    assert look(read_if_there, tmp_path) is None
    assert [line.split(":")[0] for line in look.untold] == [f"cannot read {tmp_path}"]
