"""The job in which the driver itself runs, if it does: `salloc`, `qsub -I`, or a job's script."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.wording import counted
from site_configs.machine import Scheduler

END = {"slurm": "SLURM_JOB_END_TIME", "cobalt": "COBALT_ENDTIME"}
"""Slurm tells since 23.02."""

JOB_ID = {"slurm": "SLURM_JOB_ID", "pbs": "PBS_JOBID", "cobalt": "COBALT_JOBID"}


class Allocation(NamedTuple):
    """Nodes that are held already."""

    job_id: str
    nodes: int
    cpus: int | None = None
    """Of each node, the fewest; None: not told."""
    ends_at: float | None = None
    """When its walltime is over, in seconds since 1970; None: not told."""

    def __str__(self) -> str:
        """What it holds: `2 nodes, 4 CPUs of each, until Sat 14:05`."""
        said = [counted(self.nodes, "node")]
        said += [f"{counted(self.cpus, 'CPU')} of each"] if self.cpus else []
        said += [time.strftime("until %a %H:%M", time.localtime(self.ends_at))] if self.ends_at else []
        return ", ".join(said)


def allocation(
    site: Site, scheduler: Scheduler, environment: Mapping[str, str] = os.environ
) -> Allocation | None:
    """The job whose nodes a run uses instead of submitting; None where it submits.

    Raises InputError where `site.within_job` is yes and there is no such job, or what it holds is not told.
    """
    job_id = environment.get(JOB_ID[scheduler])
    if site.within_job == "no" or (not job_id and site.within_job == "auto"):
        return None
    if not job_id:
        raise InputError(
            f"site.within_job is yes, but {JOB_ID[scheduler]} is not set: this is no job of {scheduler}'s; "
            "start one by salloc or qsub -I, or leave site.within_job out"
        )
    return Allocation(
        job_id, _nodes(scheduler, environment), _cpus(environment), _end(scheduler, environment)
    )


def _cpus(environment: Mapping[str, str]) -> int | None:
    """Slurm lists them as `4(x2),3`: of two nodes four, of one three."""
    listed = environment.get("SLURM_JOB_CPUS_PER_NODE", "").split(",")
    numbers = [part.partition("(")[0] for part in listed]
    return min(map(int, numbers)) if all(map(str.isdigit, numbers)) else None


def _end(scheduler: Scheduler, environment: Mapping[str, str]) -> float | None:
    try:
        return float(environment[END[scheduler]])
    except (KeyError, ValueError):
        return None


def _nodes(scheduler: Scheduler, environment: Mapping[str, str]) -> int:
    names = {"slurm": ("SLURM_JOB_NUM_NODES", "SLURM_NNODES"), "cobalt": ("COBALT_JOBSIZE",)}
    try:
        if scheduler == "pbs":
            return len(set(Path(environment["PBS_NODEFILE"]).read_text().split()))
        return int(next(environment[name] for name in names[scheduler] if name in environment))
    except (KeyError, StopIteration, ValueError, OSError) as error:
        raise InputError(
            f"this is a job of {scheduler}'s, but it does not say which nodes it holds ({error!r}); set "
            "site.within_job to no, and jobs are submitted from here"
        ) from None
