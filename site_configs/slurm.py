"""A cluster under Slurm whose nodes have CPUs only: the user says how many ranks and workers a node takes.

`--site slurm` needs `site.walltime_s` and, to train, `site.ranks_per_node`. `site.queue` is the partition, if
not the default one; name `site.interface` where the host names of nodes do not lead to each other.
"""

from __future__ import annotations

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer

from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher, SrunLauncher
from site_configs import cluster, slurm_jobs
from site_configs.accounts import check_account
from site_configs.executors import RetryHandler
from site_configs.partitions import limits_of
from site_configs.queues import check_limits

COMMANDS = slurm_jobs.COMMANDS


def check(run: Run) -> None:
    """Raise InputError unless the run says all that a job needs, and its partition takes such jobs."""
    cluster.require(run, "walltime_s", *(["ranks_per_node"] if run.config.trains else []))
    check_account(cluster.account(run.config.site))
    partition, limits = limits_of(cluster.queue(run.config.site))
    check_limits(run, partition, limits)


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """Whole nodes of a partition."""
    partition = cluster.queue(run.config.site)
    return cluster.cluster_config(
        run,
        memoizer,
        retry_handler,
        slurm_jobs.training_job(run, cluster.training_nodes(run), partition=partition),
        slurm_jobs.tile_job(run, partition=partition),
    )


def rank_launcher(run: Run) -> Launcher:
    """Each rank has `training.threads_per_rank` CPUs of its own."""
    training = run.config.training
    return SrunLauncher(
        ranks=training.ranks,
        ranks_per_node=cluster.ranks_per_node(run),
        cpus_per_rank=training.threads_per_rank,
        threads_per_rank=training.threads_per_rank,
        options=("--cpu-bind=cores",),
        interface=run.config.site.interface,
    )
