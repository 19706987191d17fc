"""The section `site` of a run file: the machine."""

from __future__ import annotations

from typing import Literal

from pipeline.settings.fields import GpuRequest, NaturalInt, PositiveInt, Section


class Jobs(Section):
    """What the jobs of one kind of work have of their own."""

    queue: str | None = None
    """None: `site.queue`."""
    walltime_s: PositiveInt | None = None
    """None: `site.walltime_s`."""


class LightJobs(Jobs):
    """Jobs of work that is light: making and sampling, comparing, writing and counting."""

    nodes: PositiveInt | None = None
    """None: one, or as few as their queue takes."""


class Site(Section):
    """The machine. Its description has defaults of its own for some of these; `--site` sets `name` too."""

    name: str = "local"
    """`local` is this machine; `ffn sites` lists others. One of your own is named by the file that describes
    it, ./mylab.yaml: `ffn sites slurm` shows one to copy."""
    workers: PositiveInt = 2
    """Tiles at a time on one node, each segmented by a process with `threads_per_worker` threads."""
    threads_per_worker: PositiveInt = 1
    """Threads of each. On some CPUs `inference.engine: keras` rounds otherwise with another number."""
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
    tile_jobs: PositiveInt = 1
    """Such jobs at once, as many as there is work for. Small jobs wait less, and a long queue is shorter for
    several."""
    training: Jobs = Jobs()
    """The job that trains."""
    light: LightJobs = LightJobs()
    """Where tile jobs have several nodes, or anything is set here: what is light queues none of those."""
    within_job: Literal["auto", "yes", "no"] = "auto"
    """Use the nodes of the job in which the command itself runs (salloc, qsub -I), and submit nothing. auto:
    where it runs in one, and that is told."""
    ranks_per_node: PositiveInt | None = None
    """Training ranks on one node; None: one a GPU, where the site knows how many there are. A training
    job takes as many nodes as that makes of `training.ranks`."""
    gpus_per_node: NaturalInt | None = None
    """GPUs of a node that workers and ranks use; where one of them finds none, it fails. 0: they use CPUs.
    None: as many as the site has; on this machine those that are found, and none are missed."""
    gpu_request: GpuRequest | None = None
    """How a job asks for them, such as --gres=gpu:a100:{gpus}; None: as the site does, --gpus-per-node={gpus}
    under Slurm, ngpus={gpus} under PBS; '': nothing is asked for."""
    share_nodes: bool = False
    """Under Slurm, jobs take of each node the CPUs that their threads need and their GPUs, and leave the rest
    to others. false: they have whole nodes."""
    train_on_cpus: bool = False
    """Ranks use CPUs, whatever GPUs there are: for those that TensorFlow has nothing for."""
    worker_init: str = ""
    """Shell commands at the start of every job, such as `module load ...`."""
    python: str | None = None
    """What starts Python on nodes for tiles, light work and ranks, such as one in a container: apptainer exec
    --nv /path/ffn.sif /opt/venv/bin/python. Its version, and Parsl's there, must be the driver's. None: the
    driver's own."""
    scheduler_options: tuple[str, ...] = ()
    """More options of the batch system, one an item, as they stand on its command line: `--mail-type=END`.
    What other settings say, such as the walltime, is theirs alone."""
    interface: str | None = None
    """The network interface on which nodes reach each other and the driver; None: the one that the machine's
    description names, or that of the host names."""
    monitoring: bool = False
    """Keep what became of every task in a database: docs/monitoring.md. Needs the extra `monitoring`."""
    poll_s: PositiveInt = 30
    """After how many seconds a batch system is asked again what became of the jobs."""
    idle_s: PositiveInt = 30
    """After how many seconds without work a job is given back. Nodes cost; the next job may queue."""

    @property
    def tile_workers(self) -> int:
        """Workers that segment tiles at a time, in all jobs at once."""
        return self.workers * self.tile_nodes * self.tile_jobs
