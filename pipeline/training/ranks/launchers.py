"""Launchers: how the ranks of a training are started, on one machine or on many nodes.

Each is a small value that a site fills in: picklable, and it says its command line without running it.
Where ranks run never changes what they compute.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from pipeline.errors import InputError
from pipeline.machine.gpus import SHARED_OUT
from pipeline.training.ranks.horovod_ranks import rendezvous
from pipeline.training.ranks.launch_line import LaunchLine, run_line
from pipeline.training.ranks.launched_rank import launch_file
from pipeline.training.ranks.rank_processes import RankLaunch, rank_command, run_locally


class Launcher(Protocol):
    """Starts the ranks of the training job in a run folder, and waits for them."""

    def run(self, run_folder: Path) -> None:
        """Return when all ranks have ended well; every rank N writes to logs/training/rank_N.log.

        When one fails the others are ended. Raises RankLost when a rank was killed from outside, RankError
        when one died of itself, both quoting its log, and InputError when a rank refused its input.
        """


@dataclass(frozen=True)
class LocalLauncher:
    """Ranks as processes of this machine, each with `threads_per_rank` cores of its own where possible."""

    ranks: int
    threads_per_rank: int
    pinned: bool = True
    """False: every rank may use every core."""
    gpus: str = ""
    """The GPU of each rank, as gpus.share_out says it."""

    def run(self, run_folder: Path) -> None:
        with rendezvous(self.ranks) as meetings:
            environments = [{**meeting, SHARED_OUT: self.gpus} for meeting in meetings]
            launch = RankLaunch(rank_command(run_folder), environments)
            run_locally(launch, self.threads_per_rank, run_folder / "logs" / "training", self.pinned)


@dataclass(frozen=True)
class LineLauncher(ABC):
    """Ranks started by one command line of the batch system, inside a job that holds the nodes.

    Rank R is on node R // ranks_per_node: consecutive ranks fill a node before the next begins.
    """

    ranks: int
    ranks_per_node: int
    cpus_per_rank: int | None
    """CPUs, as the batch system counts them, that a rank has to itself; None where `options` say which."""
    threads_per_rank: int
    options: tuple[str, ...] = ()
    """More options of the command, such as those that bind ranks to cores."""
    gpus: str = ""
    """The GPU of each rank of a node, as gpus.share_out says it."""
    interface: str | None = None
    """The network interface on which the nodes reach each other; None: the one of their host names."""
    python: tuple[str, ...] = ()
    """The words that start the ranks' Python; none: this process's."""

    rank_variables: ClassVar[tuple[str, ...]]
    """Environment variables in which the command tells a process its rank; the first that is set counts."""

    def __post_init__(self) -> None:
        if self.ranks % self.ranks_per_node:
            raise InputError(
                f"training.ranks is {self.ranks}; with {self.ranks_per_node} ranks a node "
                f"(site.ranks_per_node) it must be a multiple of {self.ranks_per_node}"
            )

    @property
    def nodes(self) -> int:
        return self.ranks // self.ranks_per_node

    @abstractmethod
    def command(self, rank_command: Sequence[str]) -> list[str]:
        """The command line that starts `rank_command` once a rank."""

    def command_of(self, run_folder: Path) -> list[str]:
        """The command line that starts the ranks of the training job in a run folder."""
        return self.command([*rank_command(run_folder, self.python), str(launch_file(run_folder))])

    def run(self, run_folder: Path) -> None:
        line = LaunchLine(
            self.command_of(run_folder),
            {"OMP_NUM_THREADS": str(self.threads_per_rank)},
            self.ranks,
            self.ranks_per_node,
            self.rank_variables,
            self.interface,
            self.gpus,
        )
        run_line(line, run_folder)


@dataclass(frozen=True)
class SrunLauncher(LineLauncher):
    """Slurm: a step of the job over all its nodes."""

    rank_variables = ("SLURM_PROCID",)

    def command(self, rank_command: Sequence[str]) -> list[str]:
        return [
            "srun",
            f"--nodes={self.nodes}",
            f"--ntasks={self.ranks}",
            f"--ntasks-per-node={self.ranks_per_node}",
            *([] if self.cpus_per_rank is None else [f"--cpus-per-task={self.cpus_per_rank}"]),
            "--distribution=block:block",
            "--kill-on-bad-exit=1",
            "--input=none",
            *self.options,
            *rank_command,
        ]


@dataclass(frozen=True)
class MpiexecLauncher(LineLauncher):
    """PALS, the mpiexec of HPE Cray machines under PBS, or Hydra, MPICH's own."""

    rank_variables = ("PALS_RANKID", "PMI_RANK")

    def command(self, rank_command: Sequence[str]) -> list[str]:
        counts = ["-n", str(self.ranks), "--ppn", str(self.ranks_per_node)]
        return ["mpiexec", *counts, *self.options, *rank_command]


@dataclass(frozen=True)
class AprunLauncher(LineLauncher):
    """ALPS, of Cray XC machines under Cobalt; it runs on the job's service node."""

    rank_variables = ("ALPS_APP_PE",)

    def command(self, rank_command: Sequence[str]) -> list[str]:
        counts = [
            *("-n", str(self.ranks)),
            *("-N", str(self.ranks_per_node)),
            *("-d", str(self.cpus_per_rank)),
        ]
        return ["aprun", *counts, *self.options, *rank_command]
