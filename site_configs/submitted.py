"""Parsl's Config where the work is done on nodes: in jobs that are submitted, or in one that is held."""

from __future__ import annotations

from types import ModuleType

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer
from parsl.executors import HighThroughputExecutor
from parsl.providers.base import ExecutionProvider

from pipeline.errors import InputError
from pipeline.machine.gpus import SHARED_OUT
from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher
from pipeline.wording import counted
from site_configs import cluster, cobalt_jobs, pbs_jobs, placement, slurm_jobs
from site_configs.allocation import Allocation, allocation
from site_configs.described import machine
from site_configs.executors import RetryHandler, config, driver_address, executor
from site_configs.machine import Machine
from site_configs.providers.launchers import WithPrefix
from site_configs.providers.local import LocalProvider
from site_configs.stage_jobs import LIGHT, TILES, TRAIN, StageJob, stage_jobs, wanted_jobs

BATCH_SYSTEMS: dict[str, ModuleType] = {"slurm": slurm_jobs, "pbs": pbs_jobs, "cobalt": cobalt_jobs}

HEARTBEAT_S = 5


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """One executor for each kind of work that has jobs of its own.

    Jobs of `train` hold one worker, on their first node, which starts the ranks by a line of its own; the
    others hold `site.workers` workers on every node.
    """
    here, address = machine(run.config.site.name), driver_address(run.config.site)
    held = allocation(run.config.site, here.scheduler)
    executors = [_executor(run, here, job, address, held) for job in _jobs(run, here, held)]
    return config(run, memoizer, retry_handler, executors, run.config.site.idle_s)


def check(run: Run) -> None:
    """Raise InputError unless the run says all that a job needs, and such jobs are taken."""
    here = machine(run.config.site.name)
    placement.check(run, here)
    cluster.python_of(run.config.site)
    held = allocation(run.config.site, here.scheduler)
    if held is not None:
        _check_held(run, here, held)
        return
    ours = [name for name in here.needs if name != "ranks_per_node" or run.config.trains]
    cluster.require(run, *dict.fromkeys([*ours, "walltime_s"]))
    BATCH_SYSTEMS[here.scheduler].check(run, here)
    for job in wanted_jobs(run, here):
        # what its head cannot say is told now, and not by job after job that is not submitted
        BATCH_SYSTEMS[here.scheduler].provider(run, here, job, WithPrefix(), "").submit_script("")


def rank_launcher(run: Run) -> Launcher:
    """The line that starts the ranks."""
    return placement.rank_launcher(run, machine(run.config.site.name))


def commands(here: Machine, held: Allocation | None) -> tuple[str, ...]:
    """The commands of the batch system that a run needs."""
    launcher = "mpiexec" if here.starts_by == "hydra" else here.starts_by
    submitting: tuple[str, ...] = BATCH_SYSTEMS[here.scheduler].COMMANDS
    return (launcher,) if held else (*submitting, launcher)


def _jobs(run: Run, here: Machine, held: Allocation | None) -> list[StageJob]:
    """In an allocation nothing waits in a queue, and what is light is done with the rest."""
    return [job for job in stage_jobs(run, here) if held is None or job.kind != LIGHT]


def _executor(
    run: Run, here: Machine, job: StageJob, address: str, held: Allocation | None
) -> HighThroughputExecutor:
    site = run.config.site
    if job.kind != TILES and job.walltime_s is not None:  # what is not a tile needs not the time of one
        tile_time_s = min(site.tile_time_s, job.walltime_s // 2)
        site = site.model_copy(update={"walltime_s": job.walltime_s, "tile_time_s": tile_time_s})
    workers = 1 if job.kind == TRAIN else site.workers
    return executor(
        site,
        job.kind,
        _provider(run, here, job, held),
        workers=workers,
        address=address,
        cpu_affinity=placement.affinity(run, here, workers) if job.everywhere else "none",
        heartbeat_s=HEARTBEAT_S,
        # what starts the ranks must be where the launcher's command is
        python=() if job.kind == TRAIN else cluster.python_of(run.config.site),
    )


def _provider(run: Run, here: Machine, job: StageJob, held: Allocation | None) -> ExecutionProvider:
    init, launcher = cluster.worker_init(run, here), placement.pools(run, here, job)
    gpus = placement.gpus_of(run, here, run.config.site.workers) if job.kind == TILES else ""
    if gpus:
        init += f"\nexport {SHARED_OUT}={gpus}"
    if held is not None:
        return LocalProvider(
            nodes_per_block=job.nodes,
            init_blocks=0,
            min_blocks=0,
            max_blocks=1,
            launcher=launcher,
            worker_init=init,
        )
    provider: ExecutionProvider = BATCH_SYSTEMS[here.scheduler].provider(run, here, job, launcher, init)
    return provider


def _check_held(run: Run, here: Machine, held: Allocation) -> None:
    if here.scheduler == "slurm" and slurm_jobs.is_over(held.job_id):
        raise InputError(
            f"SLURM_JOB_ID is {held.job_id}, a job that is over: a shell, as of tmux, has outlived it; unset "
            "SLURM_JOB_ID, or start another shell"
        )
    for job in wanted_jobs(run, here):
        if job.nodes > held.nodes and job.kind != LIGHT:
            setting = "site.tile_nodes" if job.kind == TILES else "training.ranks / site.ranks_per_node"
            raise InputError(
                f"{setting} asks for {counted(job.nodes, 'node')}; job {held.job_id}, in which this runs, "
                f"holds "
                f"{held.nodes}; set fewer, or site.within_job=no to submit jobs from here"
            )
    threads = cluster.ranks_per_node(run) * run.config.training.threads_per_rank
    if run.config.trains and here.starts_by == "srun" and threads > (held.cpus or threads):
        raise InputError(
            f"ranks take {counted(threads, 'CPU')} of a node (site.ranks_per_node x "
            f"training.threads_per_rank); job {held.job_id}, in which this runs, holds {held.cpus}, and "
            f"srun would start none: hold more, by salloc --exclusive or "
            f"--cpus-per-task={threads}, or set fewer"
        )
