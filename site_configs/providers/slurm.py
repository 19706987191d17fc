"""Blocks on clusters under Slurm, with or without accounting.

By Parsl's provider a job that was killed has completed, one more is submitted beside each that is held, a run
is given up where a queue takes no more jobs of its user, and commands that hang stay behind.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from parsl.jobs.states import TERMINAL_STATES, JobState
from parsl.launchers.base import Launcher
from parsl.utils import RepresentationMixin

from site_configs.providers.batch import BatchProvider
from site_configs.providers.options import Options
from site_configs.providers.scheduler import Answer, ErrorAnswerError, QueuedJob, ask, minutes

STATES = {
    "PENDING": JobState.PENDING,
    "CONFIGURING": JobState.PENDING,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.HELD,
    "REQUEUE_FED": JobState.PENDING,
    "RESV_DEL_HOLD": JobState.HELD,
    "SPECIAL_EXIT": JobState.HELD,
    "RUNNING": JobState.RUNNING,
    "COMPLETING": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "STOPPED": JobState.HELD,
    "SUSPENDED": JobState.HELD,
    "COMPLETED": JobState.COMPLETED,
    "CANCELLED": JobState.CANCELLED,
    "REVOKED": JobState.CANCELLED,
    "TIMEOUT": JobState.TIMEOUT,
    "DEADLINE": JobState.TIMEOUT,
    "PREEMPTED": JobState.TIMEOUT,
    "FAILED": JobState.FAILED,
    "NODE_FAIL": JobState.FAILED,
    "BOOT_FAIL": JobState.FAILED,
    "OUT_OF_MEMORY": JobState.FAILED,
}
"""The states of `squeue --states=all` (man squeue, JOB STATE CODES)."""

HOLDS = ("JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue")
"""Reasons for which a pending job does not start until someone releases it."""

UNKNOWN_JOB = "Invalid job id"

OWN_LIMITS = "--propagate=NONE"
"""Nodes have limits of their own: Slurm hands on those of the login, where CPU time may be an hour."""

LETTERS = (
    "A account, C constraint, G gpus, J job-name, M clusters, N nodes, O overcommit, S core-spec, W wait, "
    "a array, e error, k no-kill, m distribution, o output, p partition, q qos, t time, x exclude"
)
"""Options of sbatch by their letters: those that we say too, or a variable of the environment."""

OPTIONS = Options(
    "#SBATCH",
    ours=("--array", "--output", "--error", "--wait", "--test-only"),
    same={
        "--requeue": "--no-requeue",
        "--cluster": "--clusters",
        **{f"-{letter}": f"--{name}" for letter, name in map(str.split, LETTERS.split(", "))},
    },
    long=("--exclusive", "--ntasks", "--ntasks-per-node", "--propagate"),
    flags="HOQVWhsv",
)

VARIABLES = {
    "SBATCH_TIMELIMIT": "--time",
    "SBATCH_REQUEUE": "--no-requeue",
    "SBATCH_ARRAY_INX": "--array",
    "SBATCH_MEM_PER_NODE": "--mem",
}
"""Variables of sbatch that are not called as their option is."""


class SlurmProvider(BatchProvider, RepresentationMixin):
    """One block is one script job.

    A job is looked for among those that the controller remembers, also when they are over (MinJobAge, 5
    minutes unless set otherwise); of an older one its script has written the exit status.

    `scheduler_options` are further `#SBATCH` lines; `walltime` is HH:MM:SS, in whole minutes to Slurm.
    """

    delete_command = "scancel"

    def __init__(
        self,
        *,
        launcher: Launcher,
        account: str | None = None,
        partition: str | None = None,
        qos: str | None = None,
        exclusive: bool = True,
        scheduler_options: str = "",
        worker_init: str = "",
        nodes_per_block: int = 1,
        max_blocks: int = 1,
        walltime: str = "00:20:00",
        cmd_timeout: int = 60,
        poll_s: int = 30,
    ) -> None:
        super().__init__(
            "slurm",
            nodes_per_block,
            init_blocks=0,
            min_blocks=0,
            max_blocks=max_blocks,
            parallelism=1,
            walltime=walltime,
            launcher=launcher,
            cmd_timeout=cmd_timeout,
        )
        self.account = account
        self.partition = partition
        self.qos = qos
        self.exclusive = exclusive
        self.scheduler_options = scheduler_options
        self.worker_init = worker_init
        self.poll_s = poll_s
        self._avoided: tuple[str, ...] = ()

    def submit_script(self, command: str, tasks_per_node: int = 1, job_name: str = "ffn") -> str:
        """The script, which leaves the exit status of what it runs beside itself."""
        body = self.launcher(command, tasks_per_node, self.nodes_per_block, self.script_dir or "")
        left = shlex.quote(str(Path(self.script_dir or "").resolve() / f"{job_name}.status"))
        work = f"(\n{body}\n)\nstatus=$?\necho $status > {left}\nexit $status"
        return f"#!/bin/bash\n{self._head(job_name)}\n\n{self.worker_init}\n\n{work}\n"

    def _head(self, job_name: str) -> str:
        lines = [
            f"--job-name={job_name}",
            f"--nodes={self.nodes_per_block}",
            f"--time={minutes(self.walltime)}",
        ]
        for option, value in (
            ("--partition", self.partition),
            ("--account", self.account),
            ("--qos", self.qos),
        ):
            lines += [f"{option}={value}"] if value else []
        # Parsl replaces a lost block itself: one that Slurm ran again would be there twice
        lines.append("--no-requeue")
        defaults = ["--ntasks-per-node=1", OWN_LIMITS, *(["--exclusive"] if self.exclusive else [])]
        defaults += [f"--exclude={','.join(self._avoided)}"] if self._avoided else []
        return OPTIONS.head(lines, defaults, self.scheduler_options)

    def submit_command(self, job: QueuedJob) -> list[str]:
        """sbatch; paths are no directives, since those end at blanks; Slurm fills in what begins with %.

        Variables such as SBATCH_ACCOUNT, which count for more than what a script says, are unset where that
        says otherwise.
        """
        said = {name for line in self._head(job.name).splitlines() for name in OPTIONS.names(line)}
        over = [name for name in sorted(os.environ) if _option_of(name) in {*said, *OPTIONS.ours}]
        output, error = (str(path).replace("%", "%%") for path in (job.stdout, job.stderr))
        submit = ["sbatch", f"--output={output}", f"--error={error}", str(job.script)]
        return ["env", *(f"--unset={name}" for name in over), *submit] if over else submit

    def _id_printed(self, stdout: str) -> str | None:
        printed = re.search(r"^Submitted batch job (\d+)", stdout, re.MULTILINE)
        return printed.group(1) if printed else None

    def _ids_of(self, job: QueuedJob, *, also_ended: bool) -> list[str]:
        ended = ["--states=all"] if also_ended else []
        found = self._queue(f"--name={job.name}", *ended)
        return sorted((job_id for job_id, name in found.items() if name == job.name), key=int)

    def _names(self) -> dict[str, str]:
        return self._queue()

    def _queue(self, *options: str) -> dict[str, str]:
        """The name of each of the user's jobs by its id. Raises NoAnswerError."""
        answer = ask(["squeue", "--me", "--noheader", *options, "--format=%i|%j"], self.cmd_timeout)
        if answer.returncode != 0:
            raise ErrorAnswerError(f"squeue: {answer}")
        rows = (line.strip().split("|", 1) for line in answer.stdout.splitlines())
        return {row[0]: row[1] for row in rows if len(row) == 2 and row[0].isdigit()}

    def _observe(self, jobs: Sequence[QueuedJob]) -> None:
        if not jobs:
            return
        known = self._remembered([str(job.id) for job in jobs])
        for job in jobs:
            left = exit_status(job)
            told = known.get(f"{job.id}")
            if told is not None:
                word, job.nodes, reason = told
                see(job, word, reason, left)
            elif left is not None:
                state = JobState.FAILED if left else JobState.COMPLETED
                job.end(state, f"ended with exit status {left}", left)
            else:
                self._absent(job)

    def avoid(self, job_ids: Collection[object]) -> str:
        """Of jobs of one node alone it is known which it was; a user's own `--exclude` stands instead."""
        nodes = {job.nodes for job in (self.resources[key] for key in job_ids)}
        at_work = {job.nodes for job in self.resources.values() if not job.ended}
        if self.nodes_per_block > 1 or len(nodes) > 1 or nodes & {"", *at_work, *self._avoided}:
            return ""
        self._avoided += (*nodes,)
        return self._avoided[-1]

    def _remembered(self, job_ids: Sequence[str]) -> Mapping[str, tuple[str, str, str]]:
        """Slurm's words for the state of each job that the controller remembers, its nodes and the reason.

        Raises NoAnswerError.
        """
        asked = ["--noheader", "--states=all", "--format=%i|%T|%N|%r", f"--jobs={','.join(job_ids)}"]
        answer = ask(["squeue", *asked], self.cmd_timeout)
        if answer.returncode != 0 and UNKNOWN_JOB not in answer.stderr:
            raise ErrorAnswerError(f"squeue: {answer}")
        rows = (line.strip().split("|", 3) for line in answer.stdout.splitlines())
        return {row[0]: (row[1], row[2], row[3]) for row in rows if len(row) == 4}

    def _is_gone(self, answer: Answer) -> bool:
        return UNKNOWN_JOB in answer.stderr


def _option_of(variable: str) -> str | None:
    """The option of sbatch for which a variable of the environment stands."""
    prefix, _, name = variable.partition("SBATCH_")
    if prefix or not name:
        return None
    return VARIABLES.get(variable, f"--{name.lower().replace('_', '-')}")


def see(job: QueuedJob, word: str, reason: str, exit_code: int | None) -> None:
    """Bring a job up to date by what Slurm says of it."""
    reason = "" if reason == "None" else reason
    state = STATES.get(word, job.state)
    if state in TERMINAL_STATES:
        job.end(state, f"{word}, {reason}" if reason else word, exit_code)
    else:
        job.seen(JobState.HELD if word == "PENDING" and reason in HOLDS else state, reason or None)


def exit_status(job: QueuedJob) -> int | None:
    """What the job's script has left, if it came to its end."""
    try:
        return int((job.folder / f"{job.name}.status").read_text())
    except (OSError, ValueError):
        return None
