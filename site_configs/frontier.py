"""Frontier, OLCF: nodes with one 64-core AMD EPYC, 56 cores of it for jobs, and eight MI250X dies as GPUs.

`--site frontier` needs `site.account` and `site.walltime_s`; `site.queue` is the partition, batch unless it
is extended. Figures, limits and the options of srun:
https://docs.olcf.ornl.gov/systems/frontier_user_guide.html, Scheduling Policy and Process and Thread Mapping.
Seven cores a GPU; `--gpu-bind=closest` gives each rank the GPU beside its cores.
"""

from __future__ import annotations

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer

from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher
from site_configs import cluster, slurm_jobs
from site_configs.accounts import check_account
from site_configs.executors import RetryHandler, shared_out
from site_configs.queues import Limit, check_queue

GPUS, CORES = 8, 56
DEFAULTS = {"workers": GPUS}
COMMANDS = slurm_jobs.COMMANDS
HOUR = 3600
QUEUES = {
    # larger jobs are given more time
    "batch": [Limit(91, 2 * HOUR), Limit(183, 6 * HOUR), Limit(9472, 12 * HOUR)],
    "extended": [Limit(64, 24 * HOUR)],
}


def check(run: Run) -> None:
    """Raise InputError unless the run says all that a job needs, and no job is too large for its queue."""
    cluster.require(run, "account", "walltime_s")
    check_account(cluster.account(run.config.site))
    check_queue(run, _partition(run), QUEUES, GPUS)


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """Whole nodes; the workers of a node share its GPUs and cores evenly."""
    return cluster.cluster_config(
        run,
        memoizer,
        retry_handler,
        slurm_jobs.training_job(run, cluster.training_nodes(run, GPUS), partition=_partition(run)),
        slurm_jobs.tile_job(run, partition=_partition(run)),
        accelerators=shared_out(run.config.site.workers, [str(gpu) for gpu in range(GPUS)]),
        cpu_affinity="block",
    )


def rank_launcher(run: Run) -> Launcher:
    """One rank a GPU unless `site.ranks_per_node` says otherwise."""
    return slurm_jobs.rank_per_gpu(run, GPUS, CORES, "--gpu-bind=closest")


def _partition(run: Run) -> str:
    return cluster.queue(run.config.site) or "batch"
