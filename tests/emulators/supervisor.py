"""One process a running job: it starts the job's script, ends it in time, and clears up after it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.emulators import cobalt, pbs
from tests.emulators.system import Job, System

PR_SET_CHILD_SUBREAPER = 36  # from <linux/prctl.h>
FLAVOURS = {"cobalt": cobalt, "pbs": pbs}
POLL_S = 0.05


def supervise(folder: Path) -> int:
    """Run the job whose id is on the command line to its end."""
    # Whatever the job starts stays below this process, also what puts itself into the background.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    system, job_id = System(folder), int(sys.argv[1])
    state = system.peek()
    flavour = FLAVOURS[state.flavour]
    job = state.jobs[job_id]
    environment = flavour.environment(system, job)
    with open(job.stdout, "ab") as out, open(job.stderr, "ab") as err:
        try:
            script = subprocess.Popen(
                flavour.start_command(system, job),
                cwd=job.cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            err.write(f"{job.command[0]}: {error.strerror}\n".encode())
            return _finish(system, job, 126)
    with system.transaction() as state:
        if job_id in state.jobs:
            state.jobs[job_id].supervisor = os.getpid()
            state.jobs[job_id].state = "running"
    _wait(system, job, script)
    code = script.returncode
    return _finish(system, job, flavour.signalled(-code) if code < 0 else code)


def _wait(system: System, job: Job, script: subprocess.Popen[bytes]) -> None:
    """Until the script has ended, or was ended: SIGTERM, and SIGKILL after the grace time."""
    state = system.peek()
    deadline = job.started + state.real_s(job.walltime_s)
    while script.poll() is None:
        known = system.peek().jobs.get(job.id)
        reason = known.end_by if known else "user"
        if not reason and time.time() > deadline:
            reason = "walltime"
        if reason:
            _end(system, job, reason, script, state.grace_s)
            break
        time.sleep(POLL_S)
    for process in _below():  # what the script left running does not outlive the job
        process.kill()
    script.wait()


def _end(system: System, job: Job, reason: str, script: subprocess.Popen[bytes], grace_s: float) -> None:
    with system.transaction() as state:
        if job.id in state.jobs:
            state.jobs[job.id].state = "killing"
            state.jobs[job.id].end_by = reason
    job.end_by = reason
    FLAVOURS[state.flavour].ending(job, state)
    kill_at = time.time() + (0 if reason == "node" else grace_s)
    if reason != "node":
        os.killpg(script.pid, signal.SIGTERM)
    while time.time() < kill_at and (script.poll() is None or _below()):
        time.sleep(POLL_S)


def _below() -> list[psutil.Process]:
    running = psutil.Process().children(recursive=True)
    return [p for p in running if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def _finish(system: System, job: Job, code: int) -> int:
    with system.transaction() as state:
        known = state.jobs.get(job.id)
        if known:
            known.exit_status = code
            FLAVOURS[state.flavour].ended(known, state)
    system.start_jobs()
    return 0
