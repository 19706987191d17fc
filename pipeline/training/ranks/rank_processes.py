"""Start the ranks of a training on this machine, and see that none outlives the others."""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.machine.own import module_command
from pipeline.results.artifacts import open_anew
from pipeline.training.ranks.cores import taken
from pipeline.training.ranks.rank import CORES, LAUNCHER, REFUSED

OF_A_PEER = ("horovod has been shut down", "horovodinternalerror", "connection closed by peer", "gloo")
"""What the log of a rank says that failed because another one did, in lower case."""

QUOTED_LINES = 15
POLL_S = 0.1
GRACE_S = 5.0
LAST_WORDS_S = 15.0
"""How long the rank that failed first may take to end, after others have for having lost it."""


class RankError(RuntimeError):
    """A rank of the training died; the message quotes the end of its log."""


class RankLost(RankError):  # noqa: N818 - says what happened
    """A rank was killed from outside; the training can go on from its last checkpoint."""


@dataclass(frozen=True)
class RankLaunch:
    """What is to be started: one process of `command` per entry of `environments`, each added to our own."""

    command: Sequence[str]
    environments: Sequence[Mapping[str, str]]

    @property
    def ranks(self) -> int:
        return len(self.environments)


def run_locally(launch: RankLaunch, threads_per_rank: int, logs_folder: Path, pinned: bool = True) -> None:
    """Run all ranks on this machine until they end; rank N writes to `logs_folder`/rank_N.log.

    Each rank has cores of its own, which no other training of this user has here, where there are enough and
    it is to be `pinned`, and is killed when this process dies.
    When one fails the others are ended, and RankError quotes its log; a rank that refused its
    input raises InputError with that rank's message.
    """
    logs_folder.mkdir(parents=True, exist_ok=True)
    logs = [logs_folder / f"rank_{rank}.log" for rank in range(launch.ranks)]
    processes: list[subprocess.Popen[bytes]] = []
    wanted = launch.ranks * threads_per_rank if pinned else 0
    with taken(sorted(os.sched_getaffinity(0)), wanted) as cores:
        try:
            for environment, log in zip(_environments(launch, threads_per_rank, cores), logs):
                processes.append(_start(launch.command, environment, log))
            failed = _wait(processes, logs)
        finally:
            _end(processes)
    if failed is not None:
        raise _failure(failed, processes[failed].returncode, logs[failed])


def _environments(launch: RankLaunch, threads_per_rank: int, cores: Sequence[int]) -> list[dict[str, str]]:
    """What each rank is given, with its own of `cores`; without cores each may use all."""
    common = {
        **os.environ,
        LAUNCHER: str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(threads_per_rank),
    }
    found = []
    for rank, environment in enumerate(launch.environments):
        own = cores[rank * threads_per_rank : (rank + 1) * threads_per_rank]
        found.append({**common, **environment, CORES: ",".join(map(str, own))})
    return found


def _start(command: Sequence[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with open_anew(log) as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )


def _wait(processes: Sequence[subprocess.Popen[bytes]], logs: Sequence[Path]) -> int | None:
    """Wait until all have ended well (None) or one has failed: the rank at fault.

    It takes its peers along, with status 1, and some of them may have ended when it has yet to.
    """
    until = math.inf
    while True:
        statuses = [process.poll() for process in processes]
        failed = [rank for rank, status in enumerate(statuses) if status]
        at_fault = [rank for rank in failed if statuses[rank] != 1 or not lost_a_peer(logs[rank])]
        if at_fault:
            return min(at_fault, key=lambda rank: (statuses[rank] == 1, rank))
        if failed:
            until = min(until, time.monotonic() + LAST_WORDS_S)
        if None not in statuses or time.monotonic() > until:
            return next(iter(failed), None)
        time.sleep(POLL_S)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(rank: int, status: int, log: Path) -> Exception:
    lines = log.read_text(errors="replace").splitlines()
    if status in REFUSED and lines:
        return REFUSED[status](lines[-1])
    how = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
    kind = RankLost if status < 0 else RankError
    return kind("\n".join([f"training rank {rank} {how}; the end of {log}:", *lines[-QUOTED_LINES:]]))


def lost_a_peer(log: Path) -> bool:
    """Whether a rank that failed says in its log that it did because another one had."""
    end = end_of(log).lower()
    return any(words in end for words in OF_A_PEER)


def end_of(log: Path, lines: int = QUOTED_LINES) -> str:
    """The last lines of a log, or why they cannot be read."""
    try:
        return "\n".join(log.read_text(errors="replace").rstrip().splitlines()[-lines:])
    except OSError as error:
        return f"({error.strerror})"


def rank_command(run_folder: Path, python: Sequence[str] = ()) -> list[str]:
    """The command line of every rank of the job in a run folder; `python` starts its Python, if not this
    process's."""
    return module_command("pipeline.training.ranks.rank", str(run_folder), python=python)
