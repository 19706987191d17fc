"""Jobs of Cobalt."""

from __future__ import annotations

from parsl.launchers.base import Launcher

from pipeline.run_folder import Run
from site_configs import cluster
from site_configs.machine import Machine
from site_configs.providers.cobalt import CobaltProvider
from site_configs.stage_jobs import StageJob, check_queues, gpu_request

COMMANDS = ("qsub", "qstat", "qdel")


def check(run: Run, machine: Machine) -> None:
    """Raise InputError unless the machine's queues take what the run would submit."""
    if not run.config.site.reservation:
        check_queues(run, machine)


def provider(
    run: Run, machine: Machine, job: StageJob, launcher: Launcher, worker_init: str
) -> CobaltProvider:
    """A job is submitted when there is a task for it. A reservation is a queue to Cobalt."""
    site = run.config.site
    asked = gpu_request(run, machine, job.gpus)
    options = [*machine.job_options, *([asked] if asked else []), *site.scheduler_options]
    return CobaltProvider(
        account=cluster.account(site),
        queue=site.reservation or job.queue,
        scheduler_options="\n".join(f"#COBALT {option}" for option in options),
        worker_init=worker_init,
        nodes_per_block=job.nodes,
        max_blocks=job.at_once,
        walltime=cluster.walltime(job.walltime_s),
        launcher=launcher,
        poll_s=site.poll_s,
    )
