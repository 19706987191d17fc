"""Jobs of Slurm."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from parsl.jobs.states import TERMINAL_STATES
from parsl.launchers.base import Launcher

from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs import cluster
from site_configs.accounts import ANSWER_S, check_account
from site_configs.machine import Machine
from site_configs.partitions import limits_of
from site_configs.providers.scheduler import NoAnswerError, ask
from site_configs.providers.slurm import OPTIONS, STATES, UNKNOWN_JOB, SlurmProvider
from site_configs.stage_jobs import StageJob, check_limits, check_queues, gpu_request, threads, wanted_jobs

COMMANDS = ("sbatch", "squeue", "scancel")


def check(run: Run, machine: Machine) -> None:
    """Raise InputError unless this user may submit what the run needs, as far as Slurm tells."""
    site = run.config.site
    options = (*machine.job_options, *site.scheduler_options)
    _check_cluster(options)
    check_account(cluster.account(site))
    if not machine.queues:
        _check_partitions(run, machine, options)
    elif not site.reservation:
        check_queues(run, machine)


def _check_partitions(run: Run, machine: Machine, options: Sequence[str]) -> None:
    """Raise InputError where a partition does not take a job. Of a QOS nothing is told, and it may lift what
    the partition says."""
    if machine.queue_option == "qos":
        return
    said = {name: value for line in options for name, value in OPTIONS.values(line).items()}
    for job in wanted_jobs(run, machine):
        named = job.queue or said.get("--partition") or os.environ.get("SBATCH_PARTITION")
        partition, limits = limits_of(named)
        if "--qos" not in said and "SBATCH_QOS" not in os.environ:
            check_limits(run, replace(job, queue=partition), limits)


def is_over(job_id: str) -> bool:
    """Whether Slurm says that a job has ended, or that it knows none of this number. Silence says nothing."""
    asked = ["squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job_id}"]
    try:
        answer = ask(asked, ANSWER_S)
    except (OSError, NoAnswerError):
        return False
    if answer.returncode != 0:
        return UNKNOWN_JOB in answer.stderr
    return STATES.get(answer.stdout.strip()) in TERMINAL_STATES


def provider(
    run: Run, machine: Machine, job: StageJob, launcher: Launcher, worker_init: str
) -> SlurmProvider:
    """A job is submitted when there is a task for it."""
    site = run.config.site
    options = [*([f"--reservation={site.reservation}"] if site.reservation else [])]
    options += [f"--cpus-per-task={threads(run, job)}"] if site.share_nodes else []
    asked = gpu_request(run, machine, job.gpus)
    options += [*machine.job_options, *([asked] if asked else []), *site.scheduler_options]
    queue: dict[str, Any] = {machine.option_of(job.queue): job.queue}
    return SlurmProvider(
        account=cluster.account(site),
        nodes_per_block=job.nodes,
        max_blocks=job.at_once,
        walltime=cluster.walltime(job.walltime_s),
        scheduler_options="\n".join(f"#SBATCH {option}" for option in options),
        worker_init=worker_init,
        launcher=launcher,
        poll_s=site.poll_s,
        exclusive=not site.share_nodes,
        **queue,
    )


def _check_cluster(options: Sequence[str]) -> None:
    """Raise InputError where jobs would go to another cluster than the one that is asked of them."""
    where = "site.scheduler_options, or job_options of the site's description"
    said = [f"{where}: {option!r}" for option in options if "--clusters" in OPTIONS.names(option)]
    said += ["SBATCH_CLUSTERS is set"] if "SBATCH_CLUSTERS" in os.environ else []
    if said:
        raise InputError(
            f"{said[0]}: jobs would go to a cluster that is not asked what becomes of them; start the run on "
            "a login node of that cluster"
        )
