"""Aurora, ALCF: nodes with two 52-core Intel Xeon Max and six Intel GPUs of two tiles, under PBS Pro.

`--site aurora` needs `site.account`, `site.queue`, `site.walltime_s` and `site.filesystems` (home:flare).
Queues and their limits: https://docs.alcf.anl.gov/aurora/running-jobs-aurora/. The first core of each socket
is the system's; eight cores are given to each GPU tile, on its side of the node (same page, MPI rank and
thread binding to cores and GPUs). The nodes reach each other on hsn0.
"""

from __future__ import annotations

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer

from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher, MpiexecLauncher
from site_configs import cluster, pbs_jobs
from site_configs.executors import RetryHandler, shared_out
from site_configs.queues import Limit

TILES = [f"{gpu}.{tile}" for gpu in range(6) for tile in range(2)]
GPUS = len(TILES)
CORES_OF_TILES = [(first, first + 7) for first in (*range(1, 49, 8), *range(53, 101, 8))]
SIBLING = 104
"""A core's second hardware thread has a number higher by this."""

HOUR = 3600
QUEUES = {
    "debug": [Limit(2, HOUR)],
    "debug-scaling": [Limit(31, HOUR, fewest=2)],
    # larger jobs are given more time
    "prod": [Limit(512, 6 * HOUR), Limit(1024, 12 * HOUR), Limit(1919, 18 * HOUR), Limit(7500, 24 * HOUR)],
    "capacity": [],
    "prod-large": [Limit(7500, 24 * HOUR, fewest=1920)],
}
DEFAULTS = {"workers": GPUS, "threads_per_worker": 8}
COMMANDS = pbs_jobs.COMMANDS


def check(run: Run) -> None:
    """Raise InputError unless the run says all that a job needs, and its queue takes such jobs."""
    pbs_jobs.check(run, QUEUES, GPUS)
    per_node = cluster.ranks_per_node(run, GPUS)
    if per_node > GPUS:
        raise InputError(f"site.ranks_per_node is {per_node}; a node of aurora has {GPUS} GPU tiles")


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """Whole nodes; with as many workers as tiles, each has the cores beside its own."""
    node = {"cpus_per_node": 2 * SIBLING}
    workers = run.config.site.workers
    lists = [f"{a}-{b},{a + SIBLING}-{b + SIBLING}" for a, b in CORES_OF_TILES]
    return cluster.cluster_config(
        run,
        memoizer,
        retry_handler,
        pbs_jobs.training_job(run, cluster.training_nodes(run, GPUS), **node),
        pbs_jobs.tile_job(run, **node),
        accelerators=shared_out(workers, TILES),
        cpu_affinity=f"list:{':'.join(lists)}" if workers == GPUS else "block",
    )


def rank_launcher(run: Run) -> Launcher:
    """One rank a GPU tile, from the first on, unless `site.ranks_per_node` asks for fewer."""
    training, per_node = run.config.training, cluster.ranks_per_node(run, GPUS)
    cores = ":".join(f"{a}-{b}" for a, b in CORES_OF_TILES[:per_node])
    return MpiexecLauncher(
        ranks=training.ranks,
        ranks_per_node=per_node,
        cpus_per_rank=8,
        threads_per_rank=training.threads_per_rank,
        options=(f"--cpu-bind=list:{cores}", f"--gpu-bind=list:{':'.join(TILES[:per_node])}"),
        interface=run.config.site.interface or "hsn0",
    )
