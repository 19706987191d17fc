"""The queues of a machine, and what jobs they take: asked for before anything is submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs.cluster import training_nodes


@dataclass(frozen=True)
class Limit:
    """The largest job that a queue takes, and the smallest; nodes None: as many as there are."""

    nodes: int | None
    walltime_s: int
    fewest: int = 1


Queues = Mapping[str, Sequence[Limit]]
"""By name, a queue's limits, in order of size; none where they are not known here."""


def check_queue(run: Run, queue: str | None, queues: Queues, gpus: int | None = None) -> None:
    """Raise InputError when there is no such queue, or a job is larger, smaller or longer than it takes."""
    name = run.config.site.name
    if queue is None or queue not in queues:
        raise InputError(
            f"site.queue is {queue!r}; {name} has {', '.join(queues)} (others can be added to QUEUES in "
            f"site_configs/{name}.py)"
        )
    check_limits(run, queue, queues[queue], gpus)


def check_limits(run: Run, queue_name: str | None, limits: Sequence[Limit], gpus: int | None = None) -> None:
    """Raise InputError when a job is larger, smaller or longer than its queue takes.

    Of several limits, in order of size, a job has to keep the first whose nodes suffice for it; where there
    is none, the batch system must say what it thinks.
    """
    site = run.config.site
    jobs = {"site.tile_nodes": site.tile_nodes}
    if run.config.trains:
        jobs["training.ranks / site.ranks_per_node"] = training_nodes(run, gpus)
    where = f"queue {queue_name!r} of {site.name}"
    for setting, nodes in jobs.items() if limits else ():
        fitting = [limit for limit in limits if limit.nodes is None or nodes <= limit.nodes]
        if not fitting:
            raise InputError(f"{setting} asks for {nodes} nodes; {where} takes up to {limits[-1].nodes}")
        if nodes < fitting[0].fewest:
            raise InputError(
                f"{setting} asks for {nodes} node(s); {where} takes no fewer than {fitting[0].fewest}"
            )
        if (site.walltime_s or 0) > fitting[0].walltime_s:
            raise InputError(
                f"site.walltime_s is {site.walltime_s}; {where} takes up to {fitting[0].walltime_s} s for "
                f"{nodes} node(s)"
            )
