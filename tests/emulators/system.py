"""A small batch system kept in files: virtual nodes, a queue, and jobs that are real processes.

There is no daemon. Every command reads and writes `state.json` under a lock, starts what can be
started, and ends; each running job has a supervisor of its own (tests/emulators/supervisor.py) that
ends it in time and starts what was waiting for its nodes. The front-ends that speak like Cobalt and
like PBS Pro are in cobalt.py and pbs.py; cluster.py is what a test holds in its hand.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Job:
    """One job, from its submission on. Times are real seconds since the epoch."""

    id: int
    name: str
    user: str
    command: list[str]
    nodes: int
    walltime_s: float
    """As requested: on a cluster whose minutes are short, it ends sooner."""
    queue: str
    project: str
    cwd: str
    stdout: str
    stderr: str
    log: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    dependencies: list[int] = field(default_factory=list)
    state: str = "queued"
    """queued, starting, running, killing or done."""
    hold: str = ""
    """Empty, or who holds it: user, admin, maxrun, dep."""
    placed: list[str] = field(default_factory=list)
    supervisor: int = 0
    started: float = 0.0
    end_by: str = ""
    """Why it is to be ended early: user, walltime or node."""
    exit_status: int | None = None
    hidden_for: int = 0
    """That many status commands do not see it, though it is there."""


@dataclass
class Fault:
    """One thing that goes wrong with the next call of a command."""

    command: str
    after: bool = False
    """The command does its work first; its answer is lost."""
    hidden_for: int = 0
    """With `after`: that many status commands do not show the job that was queued."""
    delay_s: float = 0.0
    returncode: int | None = None
    """It fails with this; None: it is only late."""
    stderr: str = ""


@dataclass
class State:
    """Everything the batch system knows."""

    flavour: str
    nodes: dict[str, bool]
    """Which nodes are up."""
    jobs: dict[int, Job] = field(default_factory=dict)
    ended: dict[int, int] = field(default_factory=dict)
    """Exit status of every job that is gone from `jobs`."""
    faults: list[Fault] = field(default_factory=list)
    next_id: int = 100001
    stopped: bool = False
    """The queue takes jobs and starts none."""
    minute_s: float = 60.0
    """How long a minute of walltime lasts here."""
    grace_s: float = 2.0
    """From SIGTERM to SIGKILL, in real seconds."""
    history: bool = True
    """PBS: finished jobs can still be asked for."""
    silent_until: float = 0.0
    queues: dict[str, dict[str, int]] = field(default_factory=dict)
    """By name, what a queue takes: `nodes`, `fewest`, `walltime_s`, `jobs_per_user`. None: anything."""

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> State:
        document: dict[str, Any] = json.loads(text)
        document["jobs"] = {int(key): Job(**job) for key, job in document["jobs"].items()}
        document["ended"] = {int(key): code for key, code in document["ended"].items()}
        document["faults"] = [Fault(**fault) for fault in document["faults"]]
        return cls(**document)

    def real_s(self, walltime_s: float) -> float:
        """How long a walltime lasts on this cluster's clock."""
        return walltime_s * self.minute_s / 60

    def refusal(self, job: Job) -> str:
        """Empty when the job's queue takes it, else for what not: queue, nodes, walltime or jobs."""
        if not self.queues:
            return ""
        if job.queue not in self.queues:
            return "queue"
        limits = self.queues[job.queue]
        if not limits.get("fewest", 1) <= job.nodes <= limits.get("nodes", job.nodes):
            return "nodes"
        if job.walltime_s > limits.get("walltime_s", job.walltime_s):
            return "walltime"
        there = [
            j for j in self.jobs.values() if (j.queue, j.user) == (job.queue, job.user) and j.state != "done"
        ]
        return "jobs" if len(there) >= limits.get("jobs_per_user", len(there) + 1) else ""

    def free_nodes(self) -> list[str]:
        busy = {node for job in self.jobs.values() if job.state != "done" for node in job.placed}
        return [node for node, up in self.nodes.items() if up and node not in busy]

    def forget(self, job: Job) -> None:
        """Remove a job that has ended from the queue."""
        self.jobs.pop(job.id, None)
        self.ended[job.id] = -1 if job.exit_status is None else job.exit_status

    def dependency(self, job: Job) -> str:
        """Empty when the job may start, else Cobalt's word for why it may not."""
        codes = [self.ended.get(other) for other in job.dependencies if other not in self.jobs]
        if any(code != 0 for code in codes):
            return "dep_fail"
        return "dep_hold" if len(codes) < len(job.dependencies) else ""


class System:
    """The batch system whose files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard = True
        """Whether the command that acts here lives to hear what it asked for was done."""

    def peek(self) -> State:
        """What is known now; nothing that the caller changes is kept."""
        return State.from_json((self.folder / "state.json").read_text())

    @contextmanager
    def transaction(self) -> Iterator[State]:
        """The state, for this process alone; changes are kept when the block ends without error."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.peek()
            yield state
            self.write(state)

    def write(self, state: State) -> None:
        partial = self.folder / f"state.json.{os.getpid()}"
        partial.write_text(state.as_json())
        partial.rename(self.folder / "state.json")

    def submit(self, job: Job, prepare: Callable[[Job], None]) -> str:
        """Queue a job. It gets its id, then `prepare` does what must be done before it may start.

        Returns what its queue refuses it for, or nothing.
        """
        with self.transaction() as state:
            refusal = state.refusal(job)
            if refusal:
                return refusal
            job.id, state.next_id = state.next_id, state.next_id + 1
            prepare(job)
            state.jobs[job.id] = job
        self.start_jobs()
        return ""

    def start_jobs(self) -> None:
        """Place every queued job that may start, in the order of submission, and start it."""
        with self.transaction() as state:
            placed = []
            for job in state.jobs.values():
                waiting = job.state == "queued" and not job.hold and not state.dependency(job)
                free = state.free_nodes()
                if waiting and not state.stopped and len(free) >= job.nodes:
                    job.state, job.placed, job.started = "starting", free[: job.nodes], time.time()
                    placed.append(job.id)
        for job_id in placed:
            self._supervise(job_id)

    def _supervise(self, job_id: int) -> None:
        with open(self.folder / "supervisors.log", "a") as log:
            subprocess.Popen(
                [str(self.folder / "libexec" / "supervisor"), str(job_id)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.defpath},
                start_new_session=True,
            )

    def hide_newest(self, times: int) -> None:
        """The next so many status commands do not show the job that was queued last."""
        with self.transaction() as state:
            for job in list(state.jobs.values())[-1:]:
                job.hidden_for = times

    def take_fault(self, command: str) -> Fault | None:
        """The next thing that goes wrong with this command; each goes wrong once."""
        with self.transaction() as state:
            for fault in state.faults:
                if fault.command == command:
                    state.faults.remove(fault)
                    return fault
        return None

    def register_rank(self, node: str, pid: int) -> None:
        """Note that process `pid` runs on a node, so that it dies with the node."""
        folder = self.folder / "ranks" / node
        folder.mkdir(parents=True, exist_ok=True)
        (folder / str(pid)).touch()
