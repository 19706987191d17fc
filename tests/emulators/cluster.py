"""What a test holds in its hand: an emulated cluster, its knobs, and a look at its jobs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.emulators.system import Fault, Job, State, System

REPOSITORY = Path(__file__).parent.parent.parent
NODES = {
    "cobalt": ["3824", "3825", "3826", "3827", "3832", "3833", "3834", "3835"],
    "pbs": [f"x3001c0s{slot}b0n0" for slot in range(1, 9)],
}
COMMANDS = {
    "cobalt": {"qsub": "cobalt", "qstat": "cobalt", "qdel": "cobalt", "aprun": "ranks"},
    "pbs": {"qsub": "pbs", "qstat": "pbs", "qselect": "pbs", "qdel": "pbs", "mpiexec": "ranks"},
}
SHIM = """#!{python}
import sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from tests.emulators import command, {module}
sys.exit(command.run({module}.{name}, {name!r}, Path({folder!r})))
"""
SUPERVISOR = """#!{python}
import sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from tests.emulators import supervisor
sys.exit(supervisor.supervise(Path({folder!r})))
"""


class Cluster:
    """An emulated cluster; its commands are executables in `bin`."""

    def __init__(self, folder: Path, flavour: str, nodes: int = 4, **settings: Any) -> None:
        """Install a cluster with up to eight nodes. `settings` are fields of State, as `minute_s`."""
        self.folder = folder.resolve()
        self.bin = self.folder / "bin"
        self.system = System(self.folder)
        self.bin.mkdir(parents=True)
        (self.folder / "libexec").mkdir()
        names = NODES[flavour][:nodes]
        self.system.write(State(flavour, dict.fromkeys(names, True), **settings))
        for name, module in COMMANDS[flavour].items():
            self._install(self.bin / name, SHIM, name=name, module=module)
        self._install(self.folder / "libexec" / "supervisor", SUPERVISOR)

    def _install(self, path: Path, template: str, **names: str) -> None:
        path.write_text(
            template.format(
                python=sys.executable, repository=str(REPOSITORY), folder=str(self.folder), **names
            )
        )
        path.chmod(0o755)

    @property
    def path(self) -> str:
        """A PATH on which the cluster's commands come first."""
        return f"{self.bin}:{os.environ['PATH']}"

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of the cluster's commands as a user would."""
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env={**os.environ, "PATH": self.path},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def jobs(self) -> list[Job]:
        """Every job that the batch system knows, in the order of submission."""
        return list(self.system.peek().jobs.values())

    def job(self, job_id: str) -> Job | None:
        """A job by the id that qsub printed, or None."""
        return self.system.peek().jobs.get(int(job_id.split(".")[0]))

    def submissions(self) -> int:
        """How many jobs were ever queued."""
        return self.system.peek().next_id - State("", {}).next_id

    def wait_for(self, condition: Callable[[], object], timeout_s: float = 300) -> None:
        """Return when the condition holds; fail the test when it does not in time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"did not come about within {timeout_s:g} s"
            time.sleep(0.05)

    def wait_for_state(self, job_id: str, *states: str) -> None:
        """Return when a job is in one of these states; a job that is gone counts as done."""
        self.wait_for(lambda: getattr(self.job(job_id), "state", "done") in states)

    # What an operator, or misfortune, does.

    def stop(self) -> None:
        """Start no more jobs."""
        self.change(stopped=True)

    def start(self) -> None:
        """Start jobs again."""
        self.change(stopped=False)
        self.system.start_jobs()

    def change(self, **settings: Any) -> None:
        """Set fields of State."""
        with self.system.transaction() as state:
            for name, value in settings.items():
                setattr(state, name, value)

    def hold(self, job_id: str, by: str = "user") -> None:
        """Hold a queued job: by user, admin or maxrun. Empty releases it."""
        with self.system.transaction() as state:
            state.jobs[int(job_id.split(".")[0])].hold = by
        self.system.start_jobs()

    def break_next(self, command: str, **how: Any) -> None:
        """Something goes wrong with the next call of a command; `how` are fields of Fault."""
        with self.system.transaction() as state:
            state.faults.append(Fault(command, **how))

    def silence(self, seconds: float) -> None:
        """For so long, nothing answers; then what was asked meanwhile is done."""
        self.change(silent_until=time.time() + seconds)

    def hide(self, job_id: str, times: int) -> None:
        """The next so many status commands do not show the job."""
        with self.system.transaction() as state:
            state.jobs[int(job_id.split(".")[0])].hidden_for = times

    def vanish(self, job_id: str) -> None:
        """The job is gone with its processes, and nothing is written anywhere."""
        with self.system.transaction() as state:
            job = state.jobs.pop(int(job_id.split(".")[0]))
        _kill_tree(job.supervisor)
        self.system.start_jobs()

    def expire(self, job_id: str) -> None:
        """The walltime of a running job is over."""
        with self.system.transaction() as state:
            state.jobs[int(job_id.split(".")[0])].end_by = "walltime"

    def lose_node(self, node: str) -> None:
        """A node goes down, and what ran on it is killed; under PBS that may be a job's script."""
        with self.system.transaction() as state:
            state.nodes[node] = False
            for job in state.jobs.values():
                if state.flavour == "pbs" and job.placed[:1] == [node] and job.state != "done":
                    job.end_by = "node"
        ours = {process.pid for job in self.jobs() for process in self.processes(str(job.id))}
        there = {int(pid.name) for pid in (self.folder / "ranks" / node).glob("*")}
        for pid in ours & there:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def processes(self, job_id: str) -> list[psutil.Process]:
        """What runs for a job, its supervisor left out."""
        job = self.job(job_id)
        if job is None or not psutil.pid_exists(job.supervisor):
            return []
        return psutil.Process(job.supervisor).children(recursive=True)

    def shut_down(self) -> None:
        """End every job at once."""
        self.change(stopped=True)
        for job in self.jobs():
            _kill_tree(job.supervisor)


def _kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        if pid:
            top = psutil.Process(pid)
            for process in [top, *top.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
