"""What the jobs of all PBS sites have in common."""

from __future__ import annotations

from typing import Any

from pipeline.run_folder import Run
from site_configs import cluster
from site_configs.providers.launchers import WithPrefix
from site_configs.providers.pbs import PbsProvider
from site_configs.queues import Queues, check_queue

COMMANDS = ("qsub", "qstat", "qselect", "qdel", "mpiexec")


def check(run: Run, queues: Queues, gpus: int) -> None:
    """Raise InputError unless the run says all that a job at ALCF needs, and its queue takes such jobs."""
    cluster.require(run, "account", "queue", "filesystems", "walltime_s")
    if not run.config.site.reservation:
        check_queue(run, cluster.queue(run.config.site), queues, gpus)


def training_job(run: Run, nodes: int, **machine: Any) -> PbsProvider:
    """Jobs of `nodes` nodes, on the first of which Parsl's worker runs; `machine` is added to the request."""
    return _provider(run, nodes, WithPrefix(), machine)


def tile_job(run: Run, **machine: Any) -> PbsProvider:
    """Jobs of `site.tile_nodes` nodes, each of which runs a manager that has the whole node."""
    nodes = run.config.site.tile_nodes
    return _provider(run, nodes, WithPrefix(f"mpiexec -n {nodes} --ppn 1 --cpu-bind none"), machine)


def _provider(run: Run, nodes: int, launcher: WithPrefix, machine: dict[str, Any]) -> PbsProvider:
    """A job is submitted when there is a task for it, one at a time. A reservation is a queue to PBS."""
    site = run.config.site
    return PbsProvider(
        account=cluster.account(site),
        queue=site.reservation or cluster.queue(site),
        filesystems=cluster.filesystems(site) or "",
        scheduler_options="\n".join(f"#PBS {option}" for option in site.scheduler_options),
        worker_init=cluster.worker_init(run),
        nodes_per_block=nodes,
        walltime=cluster.walltime(site),
        launcher=launcher,
        poll_s=site.poll_s,
        **machine,
    )
