"""Jobs of PBS."""

from __future__ import annotations

from parsl.launchers.base import Launcher

from pipeline.run_folder import Run
from site_configs import cluster
from site_configs.machine import Machine
from site_configs.providers.pbs import PbsProvider
from site_configs.stage_jobs import StageJob, check_queues, gpu_request

COMMANDS = ("qsub", "qstat", "qselect", "qdel")


def check(run: Run, machine: Machine) -> None:
    """Raise InputError unless the machine's queues take what the run would submit."""
    if not run.config.site.reservation:
        check_queues(run, machine)


def provider(run: Run, machine: Machine, job: StageJob, launcher: Launcher, worker_init: str) -> PbsProvider:
    """A job is submitted when there is a task for it. A reservation is a queue to PBS."""
    site = run.config.site
    options = [*machine.job_options, *site.scheduler_options]
    return PbsProvider(
        account=cluster.account(site),
        queue=site.reservation or job.queue,
        filesystems=cluster.filesystems(site) or "",
        cpus_per_node=_cpus(run, machine),
        select_options=gpu_request(run, machine, job.gpus),
        scheduler_options="\n".join(f"#PBS {option}" for option in options),
        worker_init=worker_init,
        nodes_per_block=job.nodes,
        max_blocks=job.at_once,
        walltime=cluster.walltime(job.walltime_s),
        launcher=launcher,
        poll_s=site.poll_s,
    )


def _cpus(run: Run, machine: Machine) -> int:
    """Those of a whole node or, where they are not known, as many as there will be threads."""
    site, training, node = run.config.site, run.config.training, machine.node
    if node.cores is not None:
        return node.cores * node.threads_per_core
    ranks = cluster.ranks_per_node(run) if run.config.trains else 0
    return max(site.workers * site.threads_per_worker, ranks * training.threads_per_rank)
