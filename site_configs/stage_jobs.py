"""What each kind of work asks a batch system for, and whether its queue takes such jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.wording import counted
from site_configs import cluster
from site_configs.allocation import allocation
from site_configs.machine import Limit, Machine

TRAIN, LIGHT, TILES = "train", "light", "tiles"
"""Kinds of work, and the labels of the executors that do it."""


@dataclass(frozen=True)
class StageJob:
    """The jobs of one kind of work."""

    kind: str
    nodes: int
    queue: str | None
    walltime_s: int | None
    at_once: int = 1
    gpus: int = 0
    """Of each node."""

    @property
    def everywhere(self) -> bool:
        """Whether workers are on all of its nodes; else on the first, which starts what is on the others."""
        return self.kind != TRAIN


def stage_jobs(run: Run, machine: Machine) -> list[StageJob]:
    """Those of a run, one of each kind of work that has jobs of its own."""
    site = run.config.site
    queue = cluster.queue(site) or machine.default_queue
    gpus = gpus_asked(run, machine)
    jobs = [
        StageJob(TILES, site.tile_nodes, queue, site.walltime_s, site.tile_jobs, gpus),
        StageJob(
            TRAIN,
            cluster.training_nodes(run),
            site.training.queue or queue,
            site.training.walltime_s or site.walltime_s,
            gpus=0 if site.train_on_cpus else gpus,
        ),
    ]
    return [*jobs, _light_job(site, machine, queue)] if has_light_jobs(run) else jobs


def wanted_jobs(run: Run, machine: Machine) -> list[StageJob]:
    """Those that the run will submit."""
    return [job for job in stage_jobs(run, machine) if job.kind != TRAIN or run.config.trains]


def _light_job(site: Site, machine: Machine, queue: str | None) -> StageJob:
    """As small, and no longer, than its queue takes, unless the run says otherwise."""
    light = site.light
    queue = light.queue or queue
    limits = machine.limits(queue)
    nodes = light.nodes or (limits[0].fewest if limits else 1)
    fitting = [limit.walltime_s for limit in limits if limit.nodes is None or nodes <= limit.nodes]
    walltimes = [seconds for seconds in (site.walltime_s, *fitting[:1]) if seconds is not None]
    return StageJob(LIGHT, nodes, queue, light.walltime_s or min(walltimes, default=None))


def has_light_jobs(run: Run) -> bool:
    """Whether what is light has jobs of its own: it need not where a tile job has one node."""
    site = run.config.site
    return site.tile_nodes > 1 or site.light != type(site.light)()


def threads(run: Run, job: StageJob) -> int:
    """Those of all workers, or ranks, of a node of this job."""
    site, training = run.config.site, run.config.training
    if job.kind == TRAIN:
        return cluster.ranks_per_node(run) * training.threads_per_rank
    return site.workers * site.threads_per_worker


def gpus_asked(run: Run, machine: Machine) -> int:
    """GPUs of each node to ask for: of a whole node all that it has, if any are used.

    Of fewer nobody knows which they would be, and so which cores are beside them. A job that is held may
    have no more than are used.
    """
    site = run.config.site
    used, there = site.gpus_per_node or 0, len(machine.node.gpu_numbers)
    is_whole = not site.share_nodes and allocation(site, machine.scheduler) is None
    return there if used and there and is_whole else used


def gpu_request(run: Run, machine: Machine, gpus: int) -> str:
    """The words by which nodes of so many GPUs each are asked for; none where there is nothing to ask for."""
    asked = run.config.site.gpu_request
    text = machine.asks_for_gpus_by if asked is None else asked
    return text.replace("{gpus}", str(gpus)) if gpus else ""


def check_queues(run: Run, machine: Machine) -> None:
    """Raise InputError when there is no such queue, or it does not take such jobs or so many."""
    for job in wanted_jobs(run, machine):
        if machine.queues and job.queue not in machine.queues:
            raise InputError(
                f"site{_of(run, job, 'queue')}.queue is {job.queue!r}; {run.config.site.name} has "
                f"{', '.join(machine.queues)}; others can be added to a copy of its description (`ffn sites`)"
            )
        check_limits(run, job, machine.limits(job.queue))
        most = machine.queues[job.queue or ""].jobs_per_user if machine.queues else None
        if most is not None and job.at_once > most:
            raise InputError(
                f"site.tile_jobs is {job.at_once}; queue {job.queue!r} of {run.config.site.name} takes "
                f"{most} of a user"
            )


def turns(run: Run, machine: Machine) -> list[str]:
    """What waits for what because a queue takes few jobs of a user, a line each."""
    jobs = wanted_jobs(run, machine)
    said = []
    for name, queue in machine.queues.items():
        there = [job for job in jobs if job.queue == name]
        if queue.jobs_per_user is not None and sum(job.at_once for job in there) > queue.jobs_per_user:
            kinds = ", ".join(job.kind for job in there)
            said.append(
                f"queue {name!r} takes {counted(queue.jobs_per_user, 'job')} of a user, so jobs take turns: "
                f"{kinds}; site.light.queue and site.training.queue may name others"
            )
    return said


def check_limits(run: Run, job: StageJob, limits: Sequence[Limit]) -> None:
    """Raise InputError when a job is larger, smaller or longer than its queue takes.

    Where no limit is known, the batch system must say what it thinks.
    """
    setting = {
        TRAIN: "training.ranks / site.ranks_per_node",
        LIGHT: "site.light.nodes",
        TILES: "site.tile_nodes",
    }[job.kind]
    where = f"queue {job.queue!r} of {run.config.site.name}"
    if not limits:
        return
    fitting = [limit for limit in limits if limit.nodes is None or job.nodes <= limit.nodes]
    if not fitting:
        raise InputError(
            f"{setting} asks for {counted(job.nodes, 'node')}; {where} takes up to {limits[-1].nodes}"
        )
    if job.nodes < fitting[0].fewest:
        raise InputError(
            f"{setting} asks for {counted(job.nodes, 'node')}; {where} takes no fewer than "
            f"{fitting[0].fewest}"
        )
    if (job.walltime_s or 0) > fitting[0].walltime_s:
        raise InputError(
            f"site{_of(run, job, 'walltime_s')}.walltime_s is {job.walltime_s}; {where} takes up to "
            f"{fitting[0].walltime_s} s for {counted(job.nodes, 'node')}"
        )


def _of(run: Run, job: StageJob, name: str) -> str:
    """Where a setting of a job stands below `site`: with its kind of work, or with all."""
    own = {TRAIN: ("training", run.config.site.training), LIGHT: ("light", run.config.site.light)}
    section, jobs = own.get(job.kind, ("", None))
    return f".{section}" if jobs is not None and getattr(jobs, name) is not None else ""
