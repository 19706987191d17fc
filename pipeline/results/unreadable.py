"""A file that cannot be read is told from one that is absent, and from one that is damaged.

Permission, a stale handle, a disk or a server that does not answer: none of it says anything about what is in
the file. Whatever would be made again where a file is absent or damaged is looked for through this module.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from pipeline.errors import Unreadable
from pipeline.machine.user import name_of

ABSENT = (FileNotFoundError, NotADirectoryError)
"""What the file system says where there is no such file."""

NO_REFUSAL = (None, errno.ENOENT, errno.ENOTDIR)
"""Error numbers of what is absent, and of what was read and is not what it should be."""

STORES = ("requests", "urllib3", "botocore", "boto3", "google")
"""Libraries whose errors are of the way to a server, or of what it allows: decoders have others."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

P = ParamSpec("P")
Found = TypeVar("Found")


class reading:  # noqa: N801, it reads as a function does
    """Read the file or folder at `path` inside this context, by whatever library.

    Raises Unreadable, which names it, the reason and whose it is, where the file system refuses. That it is
    absent (ABSENT), and what a library says of its content, comes as it is.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if isinstance(error, (OSError, KeyError, RuntimeError)):  # h5py has all three for a read that fails
            number = _errno(error)
            if number not in NO_REFUSAL:
                raise _refusal(Path(self._path), number) from error


def came_of_refusal(error: BaseException | None) -> bool:
    """Whether an error came of one by which the file system or a server refused a read, be it hidden by
    `from None`."""
    while error is not None:
        if _errno(error) not in NO_REFUSAL or type(error).__module__.partition(".")[0] in STORES:
            return True
        error = error.__cause__ or error.__context__
    return False


def read_if_there(path: Path | str) -> bytes | None:
    """The bytes of a file; None where there is no such file. Raises Unreadable."""
    try:
        with reading(path), open(path, "rb", buffering=0) as file:
            return file.readall()
    except ABSENT:
        return None


def is_there(path: Path) -> bool:
    """Whether there is a file or folder of this name. Raises Unreadable where that cannot be told."""
    try:
        with reading(path):
            os.stat(path)
    except ABSENT:
        return False
    return True


def names_in(folder: Path) -> list[str]:
    """What is in a folder; nothing where there is none. Raises Unreadable."""
    try:
        with reading(folder):
            return os.listdir(folder)
    except ABSENT:
        return []


class Look:
    """For those who only show what there is: a file that cannot be read does not end the look at the rest.

    `look(read, run)` is what `read(run)` returns, or None where that raises Unreadable.
    """

    def __init__(self) -> None:
        self.untold: list[str] = []
        """A line for each file that could not be read."""

    def __call__(self, read: Callable[P, Found], *args: P.args, **kwargs: P.kwargs) -> Found | None:
        try:
            return read(*args, **kwargs)
        except Unreadable as error:
            self.untold.append(str(error))
            return None


def _errno(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    quoted = re.search(r"errno = (\d+)", str(error))  # how HDF5 tells
    return int(quoted[1]) if quoted else None


def _refusal(path: Path, number: int) -> Unreadable:
    if number in (errno.EACCES, errno.EPERM):
        way_out = "have it made readable for you, or name another --run-dir"
    else:
        way_out = "see what ails it or its file system, and try again"
    return Unreadable(
        f"cannot read {path}{whose(path)}: {os.strerror(number)}; it was left as it is: {way_out}"
    )


def mend_write(error: OSError) -> str:
    """What to do where the file system refuses to write, by its reason."""
    if error.errno in FULL:
        return "make room, then run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "have it made writable for you, or name another place"
    return "see what ails it or its file system, then run the same command again"


def whose(path: Path) -> str:
    """Words for behind the name of another user's file: whose it is, or whose the folder is that hides it."""
    for seen in (path, *path.parents):
        try:
            uid = os.lstat(seen).st_uid
        except OSError:
            continue
        where = "" if seen == path else f", in {seen}"
        return "" if uid == os.geteuid() else f"{where} of user {name_of(uid)}"
    return ""
