"""Perlmutter, NERSC: GPU nodes with one 64-core AMD EPYC 7763 and four NVIDIA A100.

`--site perlmutter` needs `site.account` (such as m1234), `site.queue` (a QOS: debug, interactive, regular,
premium, preempt) and `site.walltime_s`. Limits: https://docs.nersc.gov/jobs/policy/. One rank a GPU, with 16
cores, which Slurm counts as 32 CPUs: https://docs.nersc.gov/jobs/affinity/. The nodes reach each other on
hsn0, the first of the Slingshot interfaces.
"""

from __future__ import annotations

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer

from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher
from site_configs import cluster, slurm_jobs
from site_configs.accounts import check_account
from site_configs.executors import RetryHandler, shared_out_cuda
from site_configs.queues import Limit, check_queue

GPUS, CPUS = 4, 128
DEFAULTS = {"workers": GPUS}
COMMANDS = slurm_jobs.COMMANDS
HOUR = 3600
QUEUES = {
    "debug": [Limit(nodes=8, walltime_s=HOUR // 2)],
    "interactive": [Limit(nodes=4, walltime_s=4 * HOUR)],
    "regular": [Limit(nodes=None, walltime_s=48 * HOUR)],
    "premium": [Limit(nodes=None, walltime_s=48 * HOUR)],
    "preempt": [Limit(nodes=128, walltime_s=48 * HOUR)],
}


def check(run: Run) -> None:
    """Raise InputError unless the run says all that a job needs, and no job is larger than its QOS takes."""
    cluster.require(run, "account", "queue", "walltime_s")
    check_account(cluster.account(run.config.site))
    check_queue(run, cluster.queue(run.config.site), QUEUES, GPUS)


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """GPU nodes; the workers of a node share its GPUs and cores evenly."""
    gpu_node = {"qos": cluster.queue(run.config.site), "constraint": "gpu", "gpus_per_node": GPUS}
    return cluster.cluster_config(
        run,
        memoizer,
        retry_handler,
        slurm_jobs.training_job(run, cluster.training_nodes(run, GPUS), **gpu_node),
        slurm_jobs.tile_job(run, **gpu_node),
        accelerators=shared_out_cuda(run.config.site.workers, GPUS),
        cpu_affinity="block",
    )


def rank_launcher(run: Run) -> Launcher:
    """One rank a GPU unless `site.ranks_per_node` says otherwise."""
    return slurm_jobs.rank_per_gpu(run, GPUS, CPUS)
