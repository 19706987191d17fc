"""The section `site` of a run file: the machine."""

from __future__ import annotations

from pipeline.settings.fields import PositiveInt, Section


class Site(Section):
    """The machine. `name` is a module of site_configs/, which has defaults of its own for some of these;
    `--site` sets it too."""

    name: str = "local"
    """This machine, or one of site_configs/."""
    workers: PositiveInt = 2
    """Tiles at a time on one node, each segmented by a process with `threads_per_worker` threads."""
    threads_per_worker: PositiveInt = 1
    """Threads of each."""
    walltime_s: PositiveInt | None = None
    """How long a block of workers may live; then it is ended and, if there is work left, replaced. None: as
    long as the run, where the machine sets no limit."""
    tile_time_s: PositiveInt = 600
    """How long a tile takes, about: a block with less time left starts no other."""
    account: str | None = None
    """The project that a batch system charges; else the environment variable FFN_ACCOUNT."""
    queue: str | None = None
    """The batch system's queue, partition or QOS; else the environment variable FFN_QUEUE."""
    filesystems: str | None = None
    """Under PBS at ALCF, the file systems that jobs need, such as home:eagle; else FFN_FILESYSTEMS."""
    reservation: str | None = None
    """Of the batch system, for all jobs."""
    tile_nodes: PositiveInt = 1
    """Nodes of a job that segments tiles; each has `workers` workers."""
    ranks_per_node: PositiveInt | None = None
    """Training ranks on one node; None: one a GPU, where the site knows how many there are. A training
    job takes as many nodes as that makes of `training.ranks`."""
    worker_init: str = ""
    """Shell commands at the start of every job, such as `module load ...`."""
    scheduler_options: tuple[str, ...] = ()
    """More options of the batch system, one an item, as they stand on its command line: `--mail-type=END`."""
    interface: str | None = None
    """The network interface on which nodes reach each other and the driver; None: that of the host names."""
    monitoring: bool = False
    """Keep what became of every task in a database: docs/monitoring.md. Needs the extra `monitoring`."""
    poll_s: PositiveInt = 30
    """After how many seconds a batch system is asked again what became of the jobs."""
    idle_s: PositiveInt = 30
    """After how many seconds without work a job is given back. Nodes cost; the next job may queue."""
