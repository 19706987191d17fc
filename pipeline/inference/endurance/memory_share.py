"""Room in memory: the tiles at work on one machine share it, until one needs it for itself."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pipeline.errors import InputError, Superseded
from pipeline.machine.private_folder import private_folder
from pipeline.results.artifacts import remove
from pipeline.results.attempts.fencing import ATTEMPT, fence
from pipeline.results.attempts.locks import lock
from pipeline.results.unreadable import read_if_there

Result = TypeVar("Result")

SIGNS = ("bad_alloc", "ResourceExhausted", "out of memory", "Out of memory", "Cannot allocate memory")
"""How libraries say that memory has run out, in the name of an error (TensorFlow) or in its words."""


def with_memory(run_folder: Path, work: Callable[[], Result], alone: bool = False) -> Result:
    """Do `work` beside the other tiles of the run on this machine, or `alone`, waiting for them to end.

    Where memory runs out it is done once more, alone. Raises MemoryError when that was not enough.
    """
    if not alone:
        try:
            with _share(run_folder, fcntl.LOCK_SH):
                return work()
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
    # not inside the except clause: its traceback keeps the arrays of the failed work alive
    try:
        with _share(run_folder, fcntl.LOCK_EX):
            return work()
    except Exception as error:
        if _is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise


@contextmanager
def losses(marker: Path) -> Iterator[int]:
    """How often the work in this context was begun in this attempt, and its process killed before its end.

    By the operating system, perhaps, which ends a process where memory runs out without asking it. The file
    `marker` is there while the work goes on; who is told to end takes it away, and is not counted: an end
    that was announced, as that of a job's time, is no kill for lack of memory.
    Raises Superseded when a newer attempt has begun: the marker says by now how often that attempt has begun
    the work. Raises Unreadable.
    """
    attempt = os.environ.get(ATTEMPT, "")
    text = read_if_there(marker) or b""
    try:
        began_in, count = text.decode().split()
        lost = int(count) if began_in == attempt else 0
    except ValueError:  # there is none, or it is torn
        lost = 0
    marker.parent.mkdir(parents=True, exist_ok=True)
    with fence():
        marker.write_text(f"{attempt} {lost + 1}")
    try:
        with _taken_away_by_sigterm(marker):
            yield lost
    finally:
        with suppress(InputError):  # one that stays costs the tile company at its next start
            remove(marker)


@contextmanager
def _taken_away_by_sigterm(marker: Path) -> Iterator[None]:
    """SIGTERM removes the marker before it ends the process; other handlers and other threads are let be."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def end(signum: int, frame: object) -> None:
        with suppress(InputError, Superseded):
            remove(marker)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _is_out_of_memory(error: Exception) -> bool:
    said = f"{type(error).__name__}: {error}"
    return isinstance(error, MemoryError) or (
        not isinstance(error, InputError) and any(sign in said for sign in SIGNS)
    )


@contextmanager
def _share(run_folder: Path, how: int) -> Iterator[None]:
    """Hold this machine's lock for the run; who waits for it alone lets nobody else in meanwhile."""
    name = hashlib.sha256(os.fsencode(run_folder)).hexdigest()[:16]
    folder = private_folder()
    with open(folder / f"{name}.room", "w") as room:
        with open(folder / f"{name}.door", "w") as door:
            lock(door.fileno(), fcntl.LOCK_EX)
            lock(room.fileno(), how)
        yield
