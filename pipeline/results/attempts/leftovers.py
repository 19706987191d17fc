"""The processes that work for a run folder on this host: to list them, and to end what was left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.results.attempts.fencing import ATTEMPT, RUN
from pipeline.results.attempts.owner import driver_of, read_owner

GRACE_S = 5.0


@dataclass(frozen=True)
class RunProcess:
    """A process that works for a run folder.

    Its kind is driver, interchange, manager, worker, rank, or helper: a shell or process that serves these.
    """

    pid: int
    kind: str
    attempt: int
    command: str


def processes_of(folder: Path) -> list[RunProcess]:
    """All processes of this host that work for a run folder, its driver too, in order of process id.

    They are known by their environment, so those of other users are not seen.
    """
    owner = read_owner(folder)
    driver = driver_of(folder, owner) if owner else None
    found = [_describe(process) for process in _started_for(folder)]
    if owner and driver:
        found.append(RunProcess(driver.pid, "driver", owner.attempt, owner.command))
    return sorted(filter(None, found), key=lambda process: process.pid)


def end_processes(folder: Path, newest: int) -> list[RunProcess]:
    """End what works for a run folder on this host, but not this process nor those that it comes from.

    Those of attempts after `newest` are left alone. SIGTERM first, and SIGKILL for those that are still there
    seconds later. Returns what was found.
    """
    found: dict[int, RunProcess] = {}
    for signum in (signal.SIGTERM, signal.SIGKILL):
        processes = list(_started_for(folder, newest))
        found.update({p.pid: description for p in processes if (description := _describe(p))})
        for process in processes:
            try:
                process.send_signal(signum)
            except psutil.Error:
                continue  # it has ended meanwhile
        psutil.wait_procs(processes, GRACE_S)
    return sorted(found.values(), key=lambda process: process.pid)


def _started_for(folder: Path, newest: int | None = None) -> Iterator[psutil.Process]:
    run = os.path.realpath(folder)
    this = psutil.Process()
    spared = {this.pid, *(parent.pid for parent in this.parents())}
    for process in psutil.process_iter():
        try:
            environment = process.environ() if process.pid not in spared else {}
            if environment.get(RUN) == run and (newest is None or _attempt(environment) <= newest):
                yield process
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or another user's


def _describe(process: psutil.Process) -> RunProcess | None:
    try:
        command = process.cmdline()
        attempt = _attempt(process.environ())
        return RunProcess(process.pid, _kind(process, command), attempt, " ".join(command).strip())
    except (psutil.Error, OSError):
        return None


def _attempt(environment: Mapping[str, str]) -> int:
    number = environment.get(ATTEMPT, "")
    return int(number) if number.isdigit() else 0


def _kind(process: psutil.Process, command: list[str]) -> str:
    names = [os.path.basename(word.strip()) for word in command]
    if "interchange.py" in names or "parsl: HTEX interchange" in names:
        return "interchange"
    if "process_worker_pool.py" in names:
        return "manager"
    if "pipeline.training.ranks.rank" in names:
        return "rank"
    if _is_spawned(command) and not _is_first_spawned(process):
        return "worker"
    return "helper"


def _is_spawned(command: list[str]) -> bool:
    return any("multiprocessing.spawn" in word for word in command)


def _is_first_spawned(process: psutil.Process) -> bool:
    """Whether it is the first that its manager started: the server of the manager's shared state."""
    parent = process.parent()
    siblings = parent.children() if parent else []
    spawned = [p for p in siblings if _is_spawned(p.cmdline())]
    return len(spawned) > 0 and process == min(spawned, key=lambda p: (p.create_time(), p.pid))
