"""Who owns a run folder, and whether it is at work there: what `owner.json` says to all who read it."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import psutil

from pipeline.machine.user import user_name
from pipeline.results.unreadable import read_if_there, reading

HEARTBEAT_EVERY_S = 10.0
DEAD_AFTER_S = 60.0
"""An owner on another host counts as dead when its heartbeat is older."""


@dataclass(frozen=True)
class Owner:
    """A driver, as `owner.json` names it."""

    host: str
    user: str
    pid: int
    process_started: float
    """Seconds since 1970, by the kernel of its host: tells it from a later process of the same id."""
    started: str
    """When it took the folder: ISO 8601, UTC."""
    command: str
    attempt: int
    ended: bool = False

    def __str__(self) -> str:
        return f"{self.host}, pid {self.pid}, user {self.user}, since {self.started}: {self.command}"

    @property
    def is_local(self) -> bool:
        return self.host == socket.gethostname()

    def process(self) -> psutil.Process | None:
        """The driver itself, while it lives on this host."""
        if self.ended or not self.is_local:
            return None
        try:
            process = psutil.Process(self.pid)
            return process if abs(process.create_time() - self.process_started) < 1 else None
        except psutil.Error:
            return None


def is_alive(folder: Path, owner: Owner) -> bool:
    """Whether the owner of a folder is at work in it: on this host its process says so, elsewhere its
    heartbeat."""
    if owner.ended:
        return False
    if owner.is_local:
        return driver_of(folder, owner) is not None
    return last_heartbeat_s(folder) > time.time() - DEAD_AFTER_S


def driver_of(folder: Path, owner: Owner) -> psutil.Process | None:
    """The owner's process, while it lives on this host and works here: a copy of the folder names it too."""
    process = owner.process()
    opened = f"/proc/{owner.pid}/fd"
    try:
        handles = os.listdir(opened) if process else []
    except PermissionError:  # another user's
        return process
    except OSError:
        return None
    return process if any(_is_same(f"{opened}/{handle}", owner_file(folder)) for handle in handles) else None


def _is_same(handle: str, path: Path) -> bool:
    """Whether a file that a process has open is that at `path`: in a container it may have another name."""
    try:
        return os.path.samefile(handle, path)
    except OSError:
        return False


def last_heartbeat_s(folder: Path) -> float:
    """When the owner of a folder was last heard of, in seconds since 1970. Raises Unreadable."""
    with reading(owner_file(folder)):
        return owner_file(folder).stat().st_mtime


def owner_file(folder: Path) -> Path:
    """Where the owner of a run folder is named."""
    return folder / "owner.json"


def read_owner(folder: Path) -> Owner | None:
    """The last owner of a run folder, living or not; None when there was none. Raises Unreadable."""
    content = read_if_there(owner_file(folder))
    return None if content is None else owner_in(content)


def owner_now(attempt: int) -> Owner:
    """This process, as the owner that makes an attempt from now on."""
    return Owner(
        host=socket.gethostname(),
        user=user_name(),
        pid=os.getpid(),
        process_started=psutil.Process().create_time(),
        started=now(),
        command=shlex.join([sys.executable, *sys.argv]),
        attempt=attempt,
    )


def now() -> str:
    """The time as ISO 8601, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def owner_in(content: bytes) -> Owner | None:
    """The owner that `owner.json` names; None in a file that says none."""
    try:
        return Owner(**json.loads(content))
    except (ValueError, TypeError):
        return None  # new, or torn by a crash of the machine
