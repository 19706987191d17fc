"""The fence: a file holds the number of the newest attempt, and only that attempt's processes may publish.

Publishers share a lock on the file while they check the number and rename their result; a new attempt
takes the lock alone to raise the number. So a result is in place before the new attempt starts, or never.
Where the file system has no locks the check alone must do.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import InputError, Superseded
from pipeline.results.attempts.locks import lock
from pipeline.results.flush import flush
from pipeline.results.unreadable import ABSENT, mend_write, read_if_there, reading

RUN = "FFN_RUN"
"""Environment variable: the absolute run folder for which a process works."""

ATTEMPT = "FFN_ATTEMPT"
"""Environment variable: the number of the attempt that started the process."""

PATIENCE_S = 30.0
POLL_S = 0.05


def number_file(folder: Path) -> Path:
    """Where the number of the newest attempt on a run folder stands."""
    return folder / "attempt"


@contextmanager
def fence() -> Iterator[None]:
    """Publish inside this context: no newer attempt can begin before it is left.

    Which attempt this process belongs to, it knows from the environment; outside a run the fence does
    nothing. Raises Superseded when a newer attempt has begun or the run folder is gone, Unreadable, and
    InputError where the environment names an attempt that is no number.
    """
    run, attempt = os.environ.get(RUN), os.environ.get(ATTEMPT)
    if run is None or attempt is None:
        yield
        return
    if not attempt.isdecimal():
        raise InputError(
            f"the environment has {ATTEMPT}={attempt!r}; expected the number of an attempt, which the "
            f"program sets: unset {RUN} and {ATTEMPT}"
        )
    try:
        with reading(number_file(Path(run))):
            handle = os.open(number_file(Path(run)), os.O_RDONLY)
    except ABSENT:
        raise Superseded(f"attempt {attempt} cannot publish: {number_file(Path(run))} is gone") from None
    try:
        lock(handle, fcntl.LOCK_SH)
        newest = _number(handle)
        if newest != int(attempt):
            raise Superseded(f"attempt {attempt} on {run} cannot publish: attempt {newest} has begun")
        yield
    finally:
        os.close(handle)


def newest_attempt(folder: Path) -> int:
    """The number of the newest attempt; 0 when there was none, or when what is there is no number.

    Raises Unreadable.
    """
    text = (read_if_there(number_file(folder)) or b"").strip()
    return int(text) if text.isdigit() else 0


def raise_fence(folder: Path, number: int) -> None:
    """Make `number` the newest attempt: from now on no process of an older one can publish.

    Waits for those that are publishing; raises InputError if one of them does not end or the file system
    refuses, and Superseded if a still newer attempt has begun.
    """
    try:
        handle = os.open(number_file(folder), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            f"cannot write {number_file(folder)}: {error.strerror or error}; {mend_write(error)}"
        ) from None
    try:
        _lock_alone(handle, folder)
        newest = _number(handle)
        if newest > number:
            raise Superseded(f"attempt {number} on {folder} cannot start: attempt {newest} has begun")
        # One short write, in place: another file of the same name would have a lock of its own.
        os.pwrite(handle, f"{number}\n".encode(), 0)
        flush(handle)
    finally:
        os.close(handle)


def _lock_alone(handle: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{number_file(folder)} is locked: a process of an older attempt, stopped or on another "
                    f"machine, has been publishing for {PATIENCE_S:.0f} s; end it and try again"
                ) from None
        time.sleep(POLL_S)


def _number(handle: int) -> int:
    """The number in an open file; numbers only grow, so a shorter one never leaves digits behind."""
    text = os.pread(handle, 32, 0).strip()
    return int(text) if text.isdigit() else 0
