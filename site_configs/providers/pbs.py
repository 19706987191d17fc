"""Blocks on PBS Pro machines, as Polaris and Aurora: Parsl's provider, mended where it loses jobs.

Parsl asks for all jobs in one qstat, of which OpenPBS may answer the first alone, and takes what is
missing for finished; a job that failed or ran out of walltime is COMPLETED to it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from parsl.jobs.states import JobState
from parsl.providers import PBSProProvider

from pipeline.machine.user import user_name
from site_configs.providers.batch import BatchProvider
from site_configs.providers.options import Options
from site_configs.providers.scheduler import Answer, ErrorAnswerError, QueuedJob, ask

logger = logging.getLogger(__name__)

STATES = {
    "Q": JobState.PENDING,
    "W": JobState.PENDING,
    "T": JobState.PENDING,
    "R": JobState.RUNNING,
    "B": JobState.RUNNING,
    "E": JobState.RUNNING,  # exiting: its Exit_status is not there yet
    "H": JobState.HELD,
    "S": JobState.HELD,
    "U": JobState.HELD,
}
OVER = ("F", "X")
UNKNOWN_JOB, FINISHED_JOB = 153, 35
"""What qstat and qdel exit with for an id that PBS does not know, and for one that is history."""
KILLED_WALLTIME = -29
SIGNALLED = 256
"""Exit_status is the signal's number above this; qdel sends SIGTERM."""

OPTIONS = Options("#PBS", ours=("-J", "-I", "-o", "-e", "-W block"), flags="IVXfhz", lists=("l", "W"))


class PbsProvider(BatchProvider, PBSProProvider):
    """One block is one script job.

    `filesystems` as `home:eagle` and `account` are mandatory on ALCF's machines; `select_options` are
    appended to the select statement, as `ngpus=4`; `scheduler_options` are further `#PBS` lines. The other
    arguments are those of Parsl's provider.
    """

    def __init__(
        self, *, filesystems: str = "", cmd_timeout: int = 60, poll_s: int = 30, **options: Any
    ) -> None:
        super().__init__(init_blocks=0, min_blocks=0, cmd_timeout=cmd_timeout, **options)
        self.filesystems = filesystems
        self.poll_s = poll_s

    def submit_script(self, command: str, tasks_per_node: int = 1, job_name: str = "ffn") -> str:
        """The script; it starts in the folder where it was submitted, as under Cobalt."""
        select = f"{self.nodes_per_block}:ncpus={self.cpus_per_node}"
        if self.select_options:
            select += f":{self.select_options.lstrip(':')}"
        lines = [f"-N {job_name}", f"-l select={select}", f"-l walltime={self.walltime}"]
        for option, value in (
            ("-l filesystems=", self.filesystems),
            ("-q ", self.queue),
            ("-A ", self.account),
        ):
            lines += [f"{option}{value}"] if value else []
        # Parsl replaces a lost block itself: one that PBS ran again would be there twice.
        lines.append("-r n")
        body = self.launcher(command, tasks_per_node, self.nodes_per_block, self.script_dir or "")
        # of a resource that is asked for twice PBS takes the first, of other options the last
        defaults = ("-l place=scatter", "-k doe", "-m n")
        head = OPTIONS.head(lines, defaults, self.scheduler_options)
        return f'#!/bin/bash\n{head}\n\ncd "$PBS_O_WORKDIR"\n{self.worker_init}\n\n{body}\n'

    def submit_command(self, job: QueuedJob) -> list[str]:
        """qsub; paths are no directives, since those are split at blanks."""
        return ["qsub", "-o", str(job.stdout), "-e", str(job.stderr), str(job.script)]

    def _id_printed(self, stdout: str) -> str | None:
        ids = re.findall(r"^\d+(?:\.\S+)?$", stdout, re.MULTILINE)
        return ids[-1] if ids else None

    def _ids_of(self, job: QueuedJob, *, also_ended: bool) -> list[str]:
        history = ["-x"] if also_ended else []
        answer = ask(["qselect", *history, "-N", job.name], self.cmd_timeout)
        if answer.returncode != 0:
            raise ErrorAnswerError(f"qselect: {answer}")
        return sorted(answer.stdout.split(), key=lambda full_id: int(full_id.split(".")[0]))

    def _names(self) -> dict[str, str]:
        answer = ask(["qselect", "-u", user_name()], self.cmd_timeout)
        if answer.returncode != 0:
            raise ErrorAnswerError(f"qselect: {answer}")
        told = {
            job_id: ask(["qstat", "-f", "-F", "json", job_id], self.cmd_timeout)
            for job_id in answer.stdout.split()
        }
        return {job_id: attribute(said.stdout, "Job_Name") or "" for job_id, said in told.items()}

    def _observe(self, jobs: Sequence[QueuedJob]) -> None:
        for job in jobs:
            try:
                self._observe_one(job)
            except ErrorAnswerError as error:
                self._keep_states(error)

    def _observe_one(self, job: QueuedJob) -> None:
        answer = ask(["qstat", "-x", "-f", "-F", "json", f"{job.id}"], self.cmd_timeout)
        if answer.returncode == UNKNOWN_JOB:
            if killed_for_walltime(job):
                job.end(JobState.TIMEOUT, "walltime exceeded")
            else:
                self._absent(job)
            return
        letter = attribute(answer.stdout, "job_state")
        if answer.returncode != 0 or letter is None:
            raise ErrorAnswerError(f"qstat: {answer}")
        if letter in OVER:
            status = attribute(answer.stdout, "Exit_status")
            end(job, None if status is None else int(status))
        else:
            job.seen(STATES.get(letter, job.state), attribute(answer.stdout, "comment"))

    def _is_gone(self, answer: Answer) -> bool:
        return answer.returncode in (UNKNOWN_JOB, FINISHED_JOB)


def attribute(text: str, name: str) -> str | None:
    """An attribute of the one job that `qstat -f -F json` tells of.

    PBS does not escape everything in a job's environment, so its JSON may be broken; the attributes
    that matter can be read all the same.
    """
    try:
        (job,) = json.loads(text, strict=False).get("Jobs", {}).values()
        return str(job[name]) if name in job else None
    except ValueError:
        found = re.search(rf'^\s*"{name}":\s*"?(-?\w+)"?,?\s*$', text, re.MULTILINE)
        return found.group(1) if found else None


def killed_for_walltime(job: QueuedJob) -> bool:
    """Whether PBS has written into the job's stderr that it ran out of walltime."""
    return job.stderr.exists() and "PBS: job killed: walltime" in job.stderr.read_text(errors="replace")


def end(job: QueuedJob, exit_status: int | None) -> None:
    """End a job by its Exit_status; None is one that was deleted before it ran."""
    if exit_status == KILLED_WALLTIME or killed_for_walltime(job):
        job.end(JobState.TIMEOUT, "walltime exceeded", exit_status)
    elif exit_status is None or exit_status == SIGNALLED + 15:
        job.end(JobState.CANCELLED, "deleted by a user", exit_status)
    elif exit_status == 0:
        job.end(JobState.COMPLETED, exit_code=0)
    else:
        job.end(JobState.FAILED, f"the job's script ended with Exit_status {exit_status}", exit_status)
