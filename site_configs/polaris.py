"""Polaris, ALCF: nodes with one 32-core AMD EPYC 7543P and four NVIDIA A100, under PBS Pro.

`--site polaris` needs `site.account`, `site.queue`, `site.walltime_s` and `site.filesystems` (home:eagle).
Queues, their limits and the options of mpiexec: https://docs.alcf.anl.gov/polaris/running-jobs/. GPU 3 is
beside the first eight cores and GPU 0 beside the last, and mpiexec binds no GPUs: ranks are told theirs, in
that order (Using GPUs on Polaris Compute Nodes, on the same page). The nodes reach each other on hsn0.
"""

from __future__ import annotations

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer

from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher, MpiexecLauncher
from site_configs import cluster, pbs_jobs
from site_configs.executors import RetryHandler, shared_out, shared_out_cuda
from site_configs.queues import Limit

GPUS, CORES, CPUS = 4, 32, 64
HOUR = 3600
QUEUES = {
    "debug": [Limit(2, HOUR)],
    "debug-scaling": [Limit(10, HOUR)],
    # larger jobs are given more time
    "prod": [Limit(24, 3 * HOUR, fewest=10), Limit(99, 6 * HOUR), Limit(496, 24 * HOUR)],
    "preemptable": [Limit(10, 72 * HOUR)],
    "demand": [Limit(56, HOUR)],
    "capacity": [Limit(4, 168 * HOUR)],
}
DEFAULTS = {"workers": GPUS, "threads_per_worker": CORES // GPUS}
COMMANDS = pbs_jobs.COMMANDS


def check(run: Run) -> None:
    """Raise InputError unless the run says all that a job needs, and its queue takes such jobs."""
    pbs_jobs.check(run, QUEUES, GPUS)


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """Whole nodes; the workers of a node share its GPUs and cores evenly, those beside each other."""
    node = {"cpus_per_node": CPUS, "select_options": f"ngpus={GPUS}"}
    return cluster.cluster_config(
        run,
        memoizer,
        retry_handler,
        pbs_jobs.training_job(run, cluster.training_nodes(run, GPUS), **node),
        pbs_jobs.tile_job(run, **node),
        accelerators=shared_out_cuda(run.config.site.workers, GPUS),
        cpu_affinity="block-reverse",
    )


def rank_launcher(run: Run) -> Launcher:
    """One rank a GPU unless `site.ranks_per_node` says otherwise."""
    training, per_node = run.config.training, cluster.ranks_per_node(run, GPUS)
    cores = CORES // max(per_node, GPUS)
    return MpiexecLauncher(
        ranks=training.ranks,
        ranks_per_node=per_node,
        cpus_per_rank=cores,
        threads_per_rank=training.threads_per_rank,
        options=(f"--depth={cores}", "--cpu-bind", "depth"),
        gpus=tuple(shared_out(max(per_node, GPUS), ["3", "2", "1", "0"])),
        interface=run.config.site.interface or "hsn0",
    )
