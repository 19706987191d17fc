"""What a machine is described by: its batch system, its nodes, its queues. A file of YAML holds one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, model_validator

from pipeline.settings.fields import GpuRequest, NaturalInt, PositiveInt, Section

GpuKind = Literal["nvidia", "amd", "intel"]
Scheduler = Literal["slurm", "pbs", "cobalt"]
Launcher = Literal["srun", "mpiexec", "hydra", "aprun"]
Need = Literal["account", "queue", "filesystems", "walltime_s", "ranks_per_node"]

LAUNCHERS: Mapping[Scheduler, Launcher] = {"slurm": "srun", "pbs": "mpiexec", "cobalt": "aprun"}
"""What starts processes on nodes, where a description does not say."""

FOREIGN: Mapping[Scheduler, Launcher] = {"slurm": "aprun", "pbs": "srun", "cobalt": "srun"}
"""What starts nothing in its jobs: `srun` is Slurm's own, and `aprun` does not know those of Slurm."""

GPU_REQUESTS: Mapping[Scheduler, str] = {
    "slurm": "--gpus-per-node={gpus}",
    "pbs": "ngpus={gpus}",
    "cobalt": "",
}
"""How a batch system is asked for GPUs, where a description does not say."""


TAGS = ("#SBATCH", "#PBS", "#COBALT")
"""What begins a line of options in a job's script."""


def cores_in(listed: str) -> tuple[int, ...]:
    """The numbers in a list such as `0-7,32`, each once. Raises ValueError."""
    found: list[int] = []
    for part in listed.split(","):
        bounds = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if bounds is None:
            raise ValueError(f"{listed!r} is no list of cores such as 0-7,32")
        first, last = int(bounds[1]), int(bounds[2] or bounds[1])
        if last < first:
            raise ValueError(f"{listed!r} lists the cores {part.strip()}, which end before they begin")
        found += range(first, last + 1)
    if len(set(found)) < len(found):
        raise ValueError(f"{listed!r} lists a core twice")
    return tuple(found)


def _cores(listed: str) -> str:
    cores_in(listed)
    return listed


def _option(text: str) -> str:
    if not re.fullmatch("-.*", text):
        raise ValueError(
            "expected an option as it stands on the command line, beginning with -, without #SBATCH or #PBS"
        )
    return text


def _commands(text: str) -> str:
    if any(line.startswith(TAGS) for line in text.splitlines()):
        raise ValueError("expected shell commands; options of jobs are given by job_options, without #SBATCH")
    return text


def _gpu(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+", text):
        raise ValueError("expected the number of a GPU, such as 0, or 0.1 for a tile")
    return text


def _empty_is_default(queue: object) -> object:
    return {} if queue is None else queue


class Group(Section):
    """Cores of a node that are near each other, and the GPU beside them."""

    cores: Annotated[str, AfterValidator(_cores)]
    """Their numbers, such as 24-31; the other hardware threads of a core come with it."""
    gpu: Annotated[str, AfterValidator(_gpu)] | None = None
    """The number by which the GPU's own library knows it."""


class Node(Section):
    """A node, all of them alike. What is not known of it is left out."""

    cores: PositiveInt | None = None
    """All of the node's, those of the system too: thread T of core C has the number C + T x cores."""
    threads_per_core: PositiveInt = 1
    """Hardware threads of a core that jobs may use."""
    gpus: GpuKind | None = None
    """Of what kind they are."""
    groups: tuple[Group, ...] = ()
    """Each worker, or rank, is bound to one, the first to the first."""

    @model_validator(mode="after")
    def _groups_share_nothing(self) -> Node:
        seen: set[int] = set()
        for group in self.groups:
            own = set(cores_in(group.cores))
            if seen & own:
                raise ValueError(f"groups share the cores {sorted(seen & own)}")
            if self.cores is None or max(own) >= self.cores:
                raise ValueError(f"cores is {self.cores}; the group {group.cores} has others")
            seen |= own
        numbers = [group.gpu for group in self.groups if group.gpu is not None]
        if len(set(numbers)) < len(numbers) or len(numbers) not in (0, len(self.groups)):
            raise ValueError("either every group has a GPU of its own or none has one")
        if numbers and self.gpus is None:
            raise ValueError("groups have GPUs: say of what kind, gpus: nvidia, amd or intel")
        return self

    @property
    def gpu_numbers(self) -> tuple[str, ...]:
        """The GPUs, in the order of the groups."""
        return tuple(group.gpu for group in self.groups if group.gpu is not None)


class Limit(Section):
    """The largest job that a queue takes, and the smallest."""

    nodes: PositiveInt | None = None
    """None: as many as there are."""
    walltime_s: PositiveInt
    fewest: PositiveInt = 1


class Queue(Section):
    """A queue, partition or QOS."""

    limits: tuple[Limit, ...] = ()
    """In order of size, a job has to keep the first whose nodes suffice for it; none: not known here."""
    jobs_per_user: PositiveInt | None = None
    """Queued and running together."""
    option: Literal["partition", "qos"] | None = None
    """Under Slurm, if it is another than that of the machine's queues."""

    @model_validator(mode="after")
    def _smaller_jobs_first(self) -> Queue:
        nodes = [math.inf if limit.nodes is None else limit.nodes for limit in self.limits]
        if nodes != sorted(nodes):
            raise ValueError("limits are not in order of size: fewer nodes first, one without nodes last")
        return self


class Machine(Section):
    """A machine with a batch system."""

    description: str
    """In one line."""
    source: str = ""
    """Where its figures stand."""
    checked: str = ""
    """When they stood there."""
    scheduler: Scheduler
    launcher: Launcher | None = None
    """What starts processes on nodes; hydra is the mpiexec of MPICH and Intel MPI, which is told no cores,
    and mpiexec that of HPE Cray (PALS)."""
    needs: tuple[Need, ...] = ()
    """Settings of `site` without which no job is taken; a walltime must be given everywhere."""
    queue_option: Literal["partition", "qos"] = "partition"
    """What Slurm calls a queue here."""
    default_queue: str | None = None
    queues: Mapping[str, Annotated[Queue, BeforeValidator(_empty_is_default)]] = {}
    """Where none is known here, the batch system has the last word."""
    node: Node = Node()
    gpu_request: GpuRequest | None = None
    """How a job asks for the GPUs of its nodes; none is needed where it is empty."""
    job_options: tuple[Annotated[str, AfterValidator(_option)], ...] = ()
    """Options of every job, each as it stands on the batch system's command line."""
    rank_options: tuple[str, ...] = ()
    """More words on the line that starts the ranks."""
    interface: str | None = None
    """The network interface on which nodes reach each other, and the driver where its node has it too."""
    worker_init: Annotated[str, AfterValidator(_commands)] = ""
    """Shell commands at the start of every job, before `site.worker_init`."""
    workers: PositiveInt | None = None
    """`site.workers`, if the run says nothing; else one a GPU."""
    threads_per_worker: PositiveInt | None = None
    ranks_per_node: PositiveInt | None = None
    share_nodes: bool = False
    """`site.share_nodes`, if the run says nothing: nodes are too large to be waited for as a whole."""
    train_on_cpus: bool = False
    """Where TensorFlow has nothing for these GPUs."""
    login_tasks: NaturalInt | None = None
    """Processes and threads that a user may have on a login node."""

    @model_validator(mode="after")
    def _default_queue_is_one(self) -> Machine:
        if self.queues and self.default_queue is not None and self.default_queue not in self.queues:
            raise ValueError(f"default_queue is {self.default_queue!r}; queues has {', '.join(self.queues)}")
        return self

    @model_validator(mode="after")
    def _launcher_starts_jobs(self) -> Machine:
        if self.launcher == FOREIGN[self.scheduler]:
            usual = LAUNCHERS[self.scheduler]
            raise ValueError(
                f"launcher is {self.launcher}, which starts nothing in jobs of {self.scheduler}: leave it "
                f"out for {usual}, or set hydra or mpiexec"
            )
        return self

    @property
    def starts_by(self) -> Launcher:
        return self.launcher or LAUNCHERS[self.scheduler]

    @property
    def asks_for_gpus_by(self) -> str:
        return GPU_REQUESTS[self.scheduler] if self.gpu_request is None else self.gpu_request

    def limits(self, queue: str | None) -> tuple[Limit, ...]:
        """Those of a queue that is known, else none."""
        known = self.queues.get(queue or "")
        return known.limits if known else ()

    def option_of(self, queue: str | None) -> str:
        """What Slurm calls this queue: partition or qos."""
        known = self.queues.get(queue or "")
        return (known and known.option) or self.queue_option
