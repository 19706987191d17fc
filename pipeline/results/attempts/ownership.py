"""Owning a run folder: one driver at a time, named in `owner.json`.

The owner holds a lock on the file, which the kernel frees when the driver dies in any way. Between hosts,
where locks may not be seen, and where there are none, the file's time of last change is a heartbeat.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.errors import InputError, Superseded, Unreadable
from pipeline.results.attempts.fencing import fence, newest_attempt
from pipeline.results.attempts.locks import lock
from pipeline.results.attempts.owner import (
    DEAD_AFTER_S,
    HEARTBEAT_EVERY_S,
    Owner,
    driver_of,
    owner_file,
    owner_in,
    owner_now,
    read_owner,
)
from pipeline.results.flush import flush
from pipeline.results.unreadable import mend_write, names_in, whose

WATCHED_FOR_S = DEAD_AFTER_S + 2 * HEARTBEAT_EVERY_S
"""How long is waited for a heartbeat whose age cannot be told. File systems may keep what they know of a file
from one host for a minute."""


class Ownership:
    """This process owns a run folder, from `Ownership.take` to `release` or its death."""

    def __init__(self, folder: Path, handle: int, owner: Owner) -> None:
        self.folder = folder
        self.owner = owner
        self._handle = handle
        self._released = threading.Event()

    @classmethod
    def take(cls, folder: Path, say: Callable[[str], object] = print) -> Ownership:
        """Own `folder`, with an attempt number that no other attempt has had.

        Where the last heartbeat of an owner on another host lies in the future the next one is waited for,
        up to WATCHED_FOR_S, which `say` is told.
        Raises InputError, which names the owner, when another driver owns it; then nothing was written.
        """
        handle, locked = _open(folder)
        try:
            _respect(_read(handle), handle, folder, locked, say)
            ownership = cls(folder, handle, owner_now(_claim_number(folder)))
            ownership._write(ownership.owner)
        except BaseException:
            os.close(handle)
            raise
        threading.Thread(target=ownership._beat, name="heartbeat", daemon=True).start()
        return ownership

    def check(self) -> None:
        """Raise Superseded when another driver has taken the folder, or it was removed, and Unreadable."""
        owner = read_owner(self.folder)
        if owner != self.owner or newest_attempt(self.folder) > self.owner.attempt:
            now = f"is in use by {owner}" if owner else "is gone"
            raise Superseded(f"attempt {self.owner.attempt} has lost its run folder: {self.folder} {now}")

    def release(self) -> None:
        """Give the folder back, and say so in `owner.json` if it is still ours."""
        self._released.set()
        with suppress(Superseded, Unreadable, OSError), fence():
            self.check()
            self._write(replace(self.owner, ended=True))
        os.close(self._handle)

    def _write(self, owner: Owner) -> None:
        # In place: the lock is on this very file, another of the same name would have its own.
        text = json.dumps(asdict(owner), indent=1).encode() + b"\n"
        os.pwrite(self._handle, text, 0)
        os.ftruncate(self._handle, len(text))
        flush(self._handle)

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT_EVERY_S):
            with suppress(Superseded, Unreadable, OSError):
                self.check()
                os.utime(self._handle)


def _open(folder: Path) -> tuple[int, bool]:
    """The open owner file, and whether its file system has locks; it is locked then."""
    path = owner_file(folder)
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(
                f"cannot write {path}{whose(path)}: {error.strerror or error}; {mend_write(error)}"
            ) from None
        try:
            locked = lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _read(handle)
            os.close(handle)
            who = str(owner) if owner and not owner.ended else "a driver that is starting"
            raise _in_use(folder, who) from None
        if _is_at(handle, path):
            return handle, locked
        os.close(handle)  # the folder was removed in between, and the lock with it


def _respect(
    owner: Owner | None, handle: int, folder: Path, locked: bool, say: Callable[[str], object]
) -> None:
    """Raise InputError where the last owner may live though the lock could be had."""
    if owner is None or owner.ended:
        return
    if owner.is_local:
        if not locked and driver_of(folder, owner) is not None:
            raise _in_use(folder, str(owner))
        return
    age_s = time.time() - os.fstat(handle).st_mtime
    if age_s < -HEARTBEAT_EVERY_S:
        ahead = f"its last sign of life is dated {-age_s:,.0f} s after the time of this machine"
        say(f"{folder} was in use by {owner}; {ahead}: waiting up to {WATCHED_FOR_S:.0f} s for the next one")
        if _beats(handle):
            raise _in_use(folder, f"{owner}; it is alive, though {ahead}")
    elif age_s < DEAD_AFTER_S:
        raise _in_use(
            folder,
            f"{owner}; its last sign of life is {max(0, age_s):.0f} s old, after {DEAD_AFTER_S:.0f} s "
            "it counts as dead",
        )


def _beats(handle: int) -> bool:
    """Whether there is another heartbeat within WATCHED_FOR_S."""
    last, deadline = os.fstat(handle).st_mtime_ns, time.monotonic() + WATCHED_FOR_S
    while time.monotonic() < deadline:
        time.sleep(min(1.0, WATCHED_FOR_S / 10))
        if os.fstat(handle).st_mtime_ns != last:
            return True
    return False


def _in_use(folder: Path, who: str) -> InputError:
    return InputError(f"run folder {folder} is in use by {who}")


def _claim_number(folder: Path) -> int:
    """A number higher than those of all attempts before.

    Claimed by creating a file, which only one can do, even where there are no locks.
    """
    claims = folder / "logs" / "attempts"
    claims.mkdir(parents=True, exist_ok=True)
    stems = [os.path.splitext(name)[0] for name in names_in(claims)]
    taken = [int(stem) for stem in stems if stem.isdigit()]
    number = max([newest_attempt(folder), *taken])
    while True:
        number += 1
        with suppress(FileExistsError):
            os.close(os.open(configuration_file(folder, number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return number


def configuration_file(folder: Path, attempt: int) -> Path:
    """Where the resolved configuration of one attempt is kept."""
    return folder / "logs" / "attempts" / f"{attempt:04d}.yaml"


def _read(handle: int) -> Owner | None:
    return owner_in(os.pread(handle, 1 << 20, 0))


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
