"""Theta, ALCF: nodes with one 64-core Intel Xeon Phi 7230 (KNL), under Cobalt, with aprun.

The machine was switched off at the end of 2023. Its site is kept for other machines under Cobalt and for
reproducing the study that this workflow comes from.

`--site theta` needs `site.account`, `site.queue` and `site.walltime_s`. Queues and their limits: ALCF's user
guide, Job and Queue Scheduling for Theta. The study trained with one rank a node, 64 to 128 threads in it,
KMP_BLOCKTIME=0 and two TensorFlow operations at a time, and segmented with 32 workers a node.
Service nodes, where scripts run, and compute nodes reach each other on ipogif0.
"""

from __future__ import annotations

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer

from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import AprunLauncher, Launcher
from site_configs import cluster
from site_configs.executors import RetryHandler
from site_configs.providers.cobalt import CobaltProvider
from site_configs.providers.launchers import WithPrefix
from site_configs.queues import Limit, check_queue

CORES, THREADS_OF_A_CORE = 64, 4
HOUR = 3600
QUEUES = {
    "debug-cache-quad": [Limit(8, HOUR)],
    "debug-flat-quad": [Limit(8, HOUR)],
    # larger jobs are given more time; those of fewer than 128 nodes are charged for 128
    "default": [
        Limit(255, 3 * HOUR),
        Limit(383, 6 * HOUR),
        Limit(639, 9 * HOUR),
        Limit(801, 12 * HOUR),
        Limit(4100, 24 * HOUR),
    ],
    "backfill": [Limit(4100, 6 * HOUR)],
}
DEFAULTS = {"workers": 32, "threads_per_worker": 2, "ranks_per_node": 1}
COMMANDS = ("qsub", "qstat", "qdel", "aprun")

TUNING = ("KMP_BLOCKTIME=0", "KMP_AFFINITY=granularity=fine,compact,1,0", "TF_NUM_INTEROP_THREADS=2")


def check(run: Run) -> None:
    """Raise InputError unless the run says all that a job needs, and its queue takes such jobs."""
    cluster.require(run, "account", "queue", "walltime_s")
    if not run.config.site.reservation:
        check_queue(run, cluster.queue(run.config.site), QUEUES)
    threads = run.config.training.threads_per_rank * cluster.ranks_per_node(run)
    if run.config.trains and threads > CORES * THREADS_OF_A_CORE:
        raise InputError(
            f"site.ranks_per_node x training.threads_per_rank is {threads}; a node of theta has "
            f"{CORES * THREADS_OF_A_CORE} hardware threads"
        )


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """Whole nodes, whose memory is a cache (the mode in which most of them stay booted)."""
    nodes = run.config.site.tile_nodes
    # -cc none: the manager has the whole node; -b: the program is read from the file system, not sent along
    everywhere = WithPrefix(f"aprun -n {nodes} -N 1 -d {CORES} -cc none -b")
    return cluster.cluster_config(
        run,
        memoizer,
        retry_handler,
        _jobs(run, cluster.training_nodes(run), WithPrefix()),
        _jobs(run, nodes, everywhere),
        cpu_affinity="block",
    )


def rank_launcher(run: Run) -> Launcher:
    """Ranks share the cores of a node evenly, with as many hardware threads of a core as they need."""
    training, per_node = run.config.training, cluster.ranks_per_node(run)
    of_a_core = -(-training.threads_per_rank * per_node // CORES)
    tuning = tuple(word for setting in TUNING for word in ("-e", setting))
    return AprunLauncher(
        ranks=training.ranks,
        ranks_per_node=per_node,
        cpus_per_rank=CORES * of_a_core // per_node,
        threads_per_rank=training.threads_per_rank,
        options=("-j", str(of_a_core), "-cc", "depth", "-b", *tuning),
        interface=run.config.site.interface or "ipogif0",
    )


def _jobs(run: Run, nodes: int, launcher: WithPrefix) -> CobaltProvider:
    """A job is submitted when there is a task for it, one at a time. A reservation is a queue to Cobalt."""
    site = run.config.site
    return CobaltProvider(
        account=cluster.account(site),
        queue=site.reservation or cluster.queue(site),
        attrs="mcdram=cache:numa=quad",
        scheduler_options="\n".join(f"#COBALT {option}" for option in site.scheduler_options),
        worker_init=cluster.worker_init(run),
        nodes_per_block=nodes,
        walltime=cluster.walltime(site),
        launcher=launcher,
        poll_s=site.poll_s,
    )
