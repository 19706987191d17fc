"""Whether a site's batch system is there, answers, and would take the run's jobs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import site_configs
from pipeline.checkup import Finding, fail, ok, skip, warn
from pipeline.machine.user import user_name
from pipeline.run_folder import Run
from site_configs import cluster
from site_configs.providers.scheduler import SilenceError, ask

LAUNCHERS = ("srun", "aprun", "mpiexec")
"""Needed inside jobs only."""

NO_SCHEDULER = "this site has no batch system"
WITHIN_A_JOB = "nothing is submitted from inside a job"


def job(run: Run) -> Finding:
    """Whether the run says all that the site needs, within its limits. Raises InputError."""
    if not site_configs.commands(run):
        return skip(NO_SCHEDULER)
    site_configs.check(run)
    if {*site_configs.commands(run)} <= {*LAUNCHERS}:
        told, few = site_configs.remarks(run)[0], site_configs.shared_cpus(run)
        return warn(told, few[0]) if few else ok(told)
    site = run.config.site
    named = {
        "account": cluster.account(site),
        "queue": cluster.queue(site),
        "file systems": cluster.filesystems(site),
        "walltime": cluster.walltime(site.walltime_s),
    }
    return ok(", ".join(f"{name} {value}" for name, value in named.items() if value))


def commands(run: Run) -> Finding:
    """Whether the batch system's commands are found."""
    needed = [name for name in site_configs.commands(run) if name not in LAUNCHERS]
    missing = [name for name in needed if shutil.which(name) is None]
    if not needed:
        return _nobody_to_ask(run)
    if missing:
        return fail(
            f"not on PATH: {', '.join(missing)}",
            "go to a login node of the machine, or load the module that has them",
        )
    return ok(f"{', '.join(needed)} in {', '.join(sorted({_folder(name) for name in needed}))}")


def launcher(run: Run) -> Finding:
    """Whether the command that starts ranks and managers in jobs is found here too."""
    needed = [name for name in site_configs.commands(run) if name in LAUNCHERS]
    missing = [name for name in needed if shutil.which(name) is None]
    if not needed:
        return skip(NO_SCHEDULER)
    if missing:
        return warn(
            f"not on PATH: {', '.join(missing)}", "a job must find it, if need be by site.worker_init"
        )
    return ok(", ".join(needed))


def answer(run: Run, limit_s: float) -> Finding:
    """Whether the scheduler answers in `limit_s` seconds."""
    query = cheap_query(site_configs.commands(run))
    if query is None:
        return _nobody_to_ask(run)
    try:
        answered = ask(query, limit_s)
    except SilenceError as silence:
        return fail(str(silence), "wait until it does, or ask the operators: a run would wait for it too")
    except FileNotFoundError:
        return skip(f"{query[0]} is not here")
    if answered.returncode != 0:
        return fail(f"{query[0]}: {answered}", "no job can be submitted until it answers")
    return ok(f"{query[0]} answers")


def cheap_query(known: Sequence[str]) -> list[str] | None:
    """A command line that costs a scheduler little, of the commands `known` on a site; None: it has none."""
    if "squeue" in known:
        return ["squeue", "--me", "--noheader"]
    if "qselect" in known:
        return ["qselect", "-N", "ffn-doctor"]
    return ["qstat", "-u", user_name()] if "qstat" in known else None


def _nobody_to_ask(run: Run) -> Finding:
    return skip(WITHIN_A_JOB if site_configs.commands(run) else NO_SCHEDULER)


def _folder(command: str) -> str:
    return (shutil.which(command) or "").rpartition("/")[0]
