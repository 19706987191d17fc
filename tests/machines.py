"""Machines with a batch system, as a test sees them: the emulated ones and the real Slurm."""

from __future__ import annotations

import os
import subprocess
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from tests.emulators.cluster import Cluster
from tests.real_slurm import end_walltime


def thorough(*machines: str) -> list[Any]:
    """Machines on which a test is run by `pytest -m thorough` only: it differs little from the others."""
    return [pytest.param(machine, marks=pytest.mark.thorough) for machine in machines]


@dataclass(frozen=True)
class QueuedJob:
    """A job that is not over."""

    id: str
    name: str
    is_running: bool


class Machine(ABC):
    """Four nodes, and what befalls their jobs. `site` is the name by which a run asks for them."""

    site: str
    needs: tuple[str, ...] = ()
    """Options that a run must be given on this machine."""

    @abstractmethod
    def queue(self) -> list[QueuedJob]:
        """The jobs that are not over."""

    @abstractmethod
    def cancel(self, job_id: str) -> None:
        """Delete a job, as its user does."""

    @abstractmethod
    def expire(self, job_id: str) -> None:
        """Let a running job reach its walltime."""

    @abstractmethod
    def stop(self) -> None:
        """Start no more jobs."""

    @abstractmethod
    def start(self) -> None:
        """Start jobs again."""

    @abstractmethod
    def submissions(self, names: set[str]) -> int:
        """How many jobs of these names were ever queued."""

    @abstractmethod
    def silence(self, seconds: float) -> None:
        """From now on, for so long, the batch system answers nothing."""

    def running(self, executor: str) -> list[str]:
        """Ids of the running jobs of an executor."""
        return [job.id for job in self.queue() if job.is_running and f"parsl.{executor}." in job.name]


class Emulated(Machine):
    """A machine under the emulated Cobalt or PBS."""

    def __init__(self, site: str, cluster: Cluster, queue: str) -> None:
        self.site = site
        self.cluster = cluster
        settings = {"account": "EM", "queue": queue}
        if cluster.system.peek().flavour == "pbs":
            settings["filesystems"] = "home"
        self.needs = tuple(
            word for name, value in settings.items() for word in ("--set", f"site.{name}={value}")
        )

    def queue(self) -> list[QueuedJob]:
        jobs = [job for job in self.cluster.jobs() if job.state != "done"]
        return [QueuedJob(str(job.id), job.name, job.state == "running") for job in jobs]

    def cancel(self, job_id: str) -> None:
        self.cluster.run("qdel", job_id)

    def expire(self, job_id: str) -> None:
        self.cluster.expire(job_id)

    def stop(self) -> None:
        self.cluster.stop()

    def start(self) -> None:
        self.cluster.start()

    def submissions(self, names: set[str]) -> int:
        return self.cluster.submissions()  # it is there for one run

    def silence(self, seconds: float) -> None:
        self.cluster.silence(seconds)


class Slurm(Machine):
    """The real Slurm of `real_slurm`."""

    site = "slurm"

    def queue(self) -> list[QueuedJob]:
        command = ["squeue", "--noheader", "--states=PENDING,RUNNING", "--format=%i %j %T"]
        rows = [line.split() for line in subprocess.check_output(command, text=True).splitlines()]
        return [QueuedJob(job_id, name, state == "RUNNING") for job_id, name, state in rows]

    def cancel(self, job_id: str) -> None:
        subprocess.run(["scancel", job_id], check=True)

    def expire(self, job_id: str) -> None:
        # it must not come to its end before Slurm looks, which it does every half a minute
        subprocess.run(["scancel", "--signal=STOP", "--full", job_id], check=True)
        end_walltime(job_id)

    def stop(self) -> None:
        subprocess.run(["scontrol", "update", "PartitionName=debug", "State=DOWN"], check=True)

    def start(self) -> None:
        subprocess.run(["scontrol", "update", "PartitionName=debug", "State=UP"], check=True)

    def submissions(self, names: set[str]) -> int:
        command = ["squeue", "--noheader", "--states=all", "--format=%j"]
        return sum(name in names for name in subprocess.check_output(command, text=True).split())

    def silence(self, seconds: float) -> None:
        ours = os.environ["SLURM_CONF"]  # tests in another process may have another one
        controllers = (p for p in psutil.process_iter(["name", "cmdline"]) if p.info["name"] == "slurmctld")
        (controller,) = [p for p in controllers if ours in p.info["cmdline"]]
        controller.suspend()
        threading.Timer(seconds, controller.resume).start()
