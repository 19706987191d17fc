"""Whether the driver fits on a login node, where processes and threads of a user may be few."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import psutil
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import HighThroughputExecutor

import site_configs
from pipeline.checkup import Finding, fail, ok, skip, warn
from pipeline.run_folder import Run
from site_configs.described import machine

OF_THE_DRIVER = 8
"""Threads of Parsl's that it has once, and the commands of a batch system that run now and then."""

OF_AN_EXECUTOR = 11
"""Seven threads in the driver, and four in the interchange that it starts: counted with Parsl 2026.10."""

FEWER = "export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 before the run, or end what else you have here"


def login(run: Run) -> Finding:
    """Whether this user may have as many processes and threads here as a run starts beside its jobs."""
    if not site_configs.commands(run):
        return skip("the work is done here, and needs no login node")
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    executors = sum(isinstance(executor, HighThroughputExecutor) for executor in config.executors)
    # those that libraries have started, one a core of this machine, are in this process too
    own = psutil.Process().num_threads() + OF_THE_DRIVER + OF_AN_EXECUTOR * executors
    most = limit(machine(run.config.site.name).login_tasks)
    found = f"a run has about {own} processes and threads here beside its jobs"
    if most is None:
        return ok(f"{found}; no limit is known")
    there = tasks_of_user()
    found += f"; you have {there}, and may have {most}"
    if own > most:
        return fail(found, FEWER)
    return ok(found) if own + there <= most else warn(found, FEWER)


def limit(known: int | None, uid: int | None = None, cgroups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """How many processes and threads a user may have here: what is `known`, or less, by the kernel."""
    uid = os.getuid() if uid is None else uid
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0] if uid else resource.RLIM_INFINITY
    limits = [known, None if soft == resource.RLIM_INFINITY else soft]
    try:
        text = (cgroups / f"user.slice/user-{uid}.slice/pids.max").read_text().strip()
        limits.append(int(text) if text.isdigit() else None)
    except OSError:
        pass
    return min((number for number in limits if number is not None), default=None)


def tasks_of_user() -> int:
    """Processes and threads of this user here, but for those of this process."""
    count = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids, threads = process.info["uids"], process.info["num_threads"]
        if uids and uids.real == os.getuid() and process.pid != os.getpid():
            count += threads or 0
    return count
