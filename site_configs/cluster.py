"""What a run must say on a machine with a batch system, and what its jobs must know."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer
from parsl.providers.base import ExecutionProvider

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.results.attempts.fencing import ATTEMPT, RUN, newest_attempt
from pipeline.run_folder import Run
from site_configs.executors import RetryHandler, config, driver_address, executor
from site_configs.names import check_words

VARIABLES = {"account": "FFN_ACCOUNT", "queue": "FFN_QUEUE", "filesystems": "FFN_FILESYSTEMS"}
"""Settings of `site` that the environment may give instead."""

HEARTBEAT_S = 5


def cluster_config(
    run: Run,
    memoizer: Memoizer,
    retry_handler: RetryHandler,
    training: ExecutionProvider,
    tiles: ExecutionProvider,
    *,
    accelerators: Sequence[str] = (),
    cpu_affinity: str = "none",
) -> Config:
    """Jobs of `training` hold one worker, on their first node, which starts the ranks by a line of its own.

    Those of `tiles` hold `site.workers` workers on every node, which have its `accelerators` in turn. What is
    light runs in the driver.
    """
    site = run.config.site
    address = driver_address(site)
    train = executor(site, "train", training, workers=1, address=address, heartbeat_s=HEARTBEAT_S)
    segment = executor(
        site,
        "tiles",
        tiles,
        workers=site.workers,
        address=address,
        cpu_affinity=cpu_affinity,
        accelerators=accelerators,
        heartbeat_s=HEARTBEAT_S,
    )
    return config(run, memoizer, retry_handler, [train, segment], site.idle_s)


def account(site: Site) -> str | None:
    """The project to charge."""
    return site.account or os.environ.get(VARIABLES["account"])


def queue(site: Site) -> str | None:
    """The queue, partition or QOS to submit to."""
    return site.queue or os.environ.get(VARIABLES["queue"])


def filesystems(site: Site) -> str | None:
    """The file systems without which a job is not to start."""
    return site.filesystems or os.environ.get(VARIABLES["filesystems"])


def ranks_per_node(run: Run, gpus: int | None = None) -> int:
    """Training ranks on a node: those asked for, else one a GPU; never more than there are in all."""
    wanted = run.config.site.ranks_per_node or gpus
    return min(wanted or run.config.training.ranks, run.config.training.ranks)


def training_nodes(run: Run, gpus: int | None = None) -> int:
    """Nodes of the job that trains."""
    return -(-run.config.training.ranks // ranks_per_node(run, gpus))


def require(run: Run, *names: str) -> None:
    """Raise InputError unless all these settings of `site` are given and a job has the time for a tile."""
    site = run.config.site
    given = {
        **site.model_dump(),
        "account": account(site),
        "queue": queue(site),
        "filesystems": filesystems(site),
    }
    named = {name: given[name] for name in (*VARIABLES, "reservation")}
    check_words(named, site.scheduler_options)
    missing = [name for name in names if given[name] in (None, "")]
    if missing:
        how = ", ".join(f"site.{n}" + (f" (or {VARIABLES[n]})" if n in VARIABLES else "") for n in missing)
        raise InputError(f"site {site.name} needs {how}: set it in the run file or by --set")
    if site.walltime_s is not None and site.walltime_s <= site.tile_time_s:
        raise InputError(
            f"site.walltime_s is {site.walltime_s}: no job would start a tile; it must be more than "
            f"site.tile_time_s, {site.tile_time_s}"
        )


def worker_init(run: Run) -> str:
    """Shell commands that make a job ready to work for the run, whatever the batch system hands on.

    The site's own commands come first, so that none of them changes what is this program's.
    """
    attempt = os.environ.get(ATTEMPT) or newest_attempt(run.folder) + 1
    folder = shlex.quote(os.path.realpath(run.folder))
    return "\n".join(
        [
            run.config.site.worker_init,
            f"export {RUN}={folder} {ATTEMPT}={attempt}",
        ]
    )


def walltime(site: Site) -> str:
    """HH:MM:SS, as Parsl's providers take it."""
    seconds = site.walltime_s or 0
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
