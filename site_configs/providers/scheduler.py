"""How a batch scheduler is asked, and what is known of a job in its queue."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from parsl.jobs.states import TERMINAL_STATES, JobState, JobStatus


class NoAnswerError(Exception):
    """The scheduler has not answered what it was asked."""


class SilenceError(NoAnswerError):
    """It did not answer in time; asking it the next question now would only cost as long again."""


class ErrorAnswerError(NoAnswerError):
    """It answered with an error, or in words that cannot be read."""


@dataclass(frozen=True)
class Answer:
    """What a scheduler's command returned and printed."""

    returncode: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"exit code {self.returncode}: {(self.stderr or self.stdout).strip()}"


OF_ANSWERS = ("SQUEUE_", "SINFO_", "SCANCEL_")
"""How variables begin by which users have Slurm's commands show them less, or in other words, or ask back."""

OF_A_CLUSTER = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")
"""Of the variables of a job of Slurm those that are none of its own."""


def environment() -> dict[str, str]:
    """That of a scheduler's command: ours, but for a user's wishes for answers, and for what Slurm says of
    the job in which we run: jobs submitted there would have it too, and srun find it contradictory."""
    hidden = (*OF_ANSWERS, *(("SLURM_",) if "SLURM_JOB_ID" in os.environ else ()))
    return {
        name: value
        for name, value in os.environ.items()
        if name in OF_A_CLUSTER or not name.startswith(hidden)
    }


def ask(command: Sequence[str], timeout_s: float) -> Answer:
    """Run a scheduler's command, which answers as it does to everybody. Raises as `answer_of` does."""
    return answer_of(command, timeout_s, environment())


def answer_of(command: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None) -> Answer:
    """Run a command to its end, in our own environment or in `env`.

    Raises SilenceError if it is not done in time (it is killed then, with all it started), and
    FileNotFoundError if there is no such command.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        env=env,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise SilenceError(f"{command[0]} gave no answer in {timeout_s:g} s") from None
    return Answer(process.returncode, stdout, stderr)


@dataclass
class QueuedJob:
    """A job as far as we know it."""

    name: str
    """Unique. By it the job is known to the scheduler, also where its id never reached us."""
    folder: Path
    id: str | None = None
    state: JobState = JobState.PENDING
    message: str | None = None
    exit_code: int | None = None
    submissions: int = 0
    """How often it was submitted; all but the first because none was in the queue."""
    absences: int = 0
    """How many times in a row the scheduler has answered that there is no such job."""
    nodes: str = ""
    """Those that it has or had, in the scheduler's words; empty where they are not known."""
    is_put_off: bool = False
    """Whether it was last refused by a queue that is full."""

    @property
    def script(self) -> Path:
        return self.folder / f"{self.name}.sh"

    @property
    def stdout(self) -> Path:
        return self.folder / f"{self.name}.output"

    @property
    def stderr(self) -> Path:
        return self.folder / f"{self.name}.error"

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL_STATES

    def seen(self, state: JobState, message: str | None = None) -> None:
        """The scheduler has told its state."""
        self.state, self.message, self.absences = state, message, 0

    def end(self, state: JobState, message: str | None = None, exit_code: int | None = None) -> None:
        """It is over."""
        self.state, self.message, self.exit_code, self.is_put_off = state, message, exit_code, False

    def status(self) -> JobStatus:
        """A new object each time, since Parsl's executor writes into what it is given."""
        return JobStatus(self.state, self.message, self.exit_code, str(self.stdout), str(self.stderr))


def minutes(walltime: str) -> int:
    """HH:MM:SS in minutes, rounded up."""
    hours, mins, seconds = (int(part) for part in walltime.split(":"))
    return hours * 60 + mins + math.ceil(seconds / 60)
