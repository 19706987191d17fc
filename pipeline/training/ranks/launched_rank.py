"""A rank on some node: how it learns which one it is, and how its launcher learns what became of it.

Launcher and ranks share the run folder, and a connection to their meeting point, which tells a rank when its
launcher is gone.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.results.artifacts import open_anew, publishing
from pipeline.training.ranks.meeting_point import connection_to_launcher

LAUNCHER_GONE_STATUS = 3
KEEPALIVE_S = 30
"""After how many seconds of silence a connection is probed: a launcher does not close it if its node dies."""


@dataclass(frozen=True)
class Launch:
    """What a launcher tells its ranks: the environment of each, and which variables hold a rank's number."""

    environments: Sequence[dict[str, str]]
    rank_variables: Sequence[str]

    def save(self, path: Path) -> None:
        """Publish it for this user alone: the environments hold the secret of the meeting point."""
        with publishing(path, mode=0o600) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Launch:
        return cls(**json.loads(path.read_text()))

    def rank_of_this_process(self) -> int:
        """The rank that the batch system has given this process."""
        for variable in self.rank_variables:
            if variable in os.environ:
                return int(os.environ[variable])
        raise RuntimeError(f"none of {', '.join(self.rank_variables)} is set: not started by the launch line")


def launch_file(run_folder: Path) -> Path:
    """Where the launcher of a run's training writes its Launch."""
    return run_folder / "logs" / "training" / "launch.json"


def join(path: Path) -> Path:
    """Become the rank that the Launch in `path` makes of this process; returns the rank's status file.

    From now on it writes to its own log, and ends when its launcher does.
    """
    launch = Launch.load(path)
    rank = launch.rank_of_this_process()
    _write_to(path.with_name(f"rank_{rank}.log"))
    environment = launch.environments[rank]
    os.environ.update(environment)
    if environment["HOROVOD_LOCAL_RANK"] == "0":  # its peers end when it ends
        _end_with_launcher(environment)
    return status_file(path.parent, rank)


def status_file(logs_folder: Path, rank: int) -> Path:
    """Where a rank that ended by itself leaves its exit status."""
    return logs_folder / f"rank_{rank}.status"


def _write_to(log: Path) -> None:
    """Standard output and error go to a file of this rank's, whatever the launch line would do with them."""
    with open_anew(log) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def _end_with_launcher(environment: Mapping[str, str]) -> None:
    connection = connection_to_launcher(environment)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), KEEPALIVE_S)

    def wait() -> None:
        with suppress(OSError):  # its node does not answer any more
            connection.recv(1)
        os.write(2, b"the launcher is gone\n")
        os._exit(LAUNCHER_GONE_STATUS)

    threading.Thread(target=wait, daemon=True).start()
