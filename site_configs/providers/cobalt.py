"""Blocks on machines that Cobalt schedules, as Theta was. Parsl dropped its own provider in 2024.

Cobalt forgets a job as soon as it has ended; how it ended stands in its .cobaltlog alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from parsl.jobs.states import JobState
from parsl.launchers.base import Launcher
from parsl.utils import RepresentationMixin

from pipeline.machine.user import user_name
from site_configs.providers.batch import BatchProvider
from site_configs.providers.options import Options
from site_configs.providers.scheduler import Answer, ErrorAnswerError, QueuedJob, ask, minutes

STATES = {
    "queued": JobState.PENDING,
    "starting": JobState.PENDING,
    "preempted": JobState.PENDING,
    "running": JobState.RUNNING,
    "preempting": JobState.RUNNING,
    # Until it has left the queue it holds its nodes, and its log may not be whole.
    "killing": JobState.RUNNING,
    "exiting": JobState.RUNNING,
    "done": JobState.RUNNING,
    "user_hold": JobState.HELD,
    "admin_hold": JobState.HELD,
    "maxrun_hold": JobState.HELD,
    "dep_hold": JobState.HELD,
    "dep_fail": JobState.HELD,
}

OPTIONS = Options(
    "#COBALT",
    ours=("-O", "-o", "-e"),
    same={
        "--nodecount": "-n",
        "--time": "-t",
        "--queue": "-q",
        "--project": "-A",
        "--outputprefix": "-O",
        "--output": "-o",
        "--error": "-e",
    },
    long=("--attrs", "--jobname"),
)


class CobaltProvider(BatchProvider, RepresentationMixin):
    """One block is one script job; `launcher` says how workers get from the service node to the nodes.

    `attrs` is what `qsub --attrs` takes, as `mcdram=cache:numa=quad`; `scheduler_options` are further
    `#COBALT` lines; `walltime` is HH:MM:SS, which Cobalt takes in whole minutes. Parsl's AprunLauncher
    hides aprun's exit code, and with it every failure.
    """

    def __init__(
        self,
        *,
        launcher: Launcher,
        account: str | None = None,
        queue: str | None = None,
        attrs: str = "",
        scheduler_options: str = "",
        worker_init: str = "",
        nodes_per_block: int = 1,
        max_blocks: int = 1,
        walltime: str = "00:20:00",
        cmd_timeout: int = 60,
        poll_s: int = 30,
    ) -> None:
        super().__init__(
            "cobalt",
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
        self.queue = queue
        self.attrs = attrs
        self.scheduler_options = scheduler_options
        self.worker_init = worker_init
        self.poll_s = poll_s

    def submit_script(self, command: str, tasks_per_node: int = 1, job_name: str = "ffn") -> str:
        """The script: Cobalt reads the `#COBALT` lines only directly after `#!`."""
        lines = [f"-n {self.nodes_per_block}", f"-t {minutes(self.walltime)}"]
        for flag, value in (("-q", self.queue), ("-A", self.account), ("--attrs", self.attrs)):
            lines += [f"{flag} {value}"] if value else []
        lines.append(f"--jobname {job_name}")
        body = self.launcher(command, tasks_per_node, self.nodes_per_block, self.script_dir or "")
        head = OPTIONS.head(lines, (), self.scheduler_options)
        return f"#!/bin/bash\n{head}\n\n{self.worker_init}\n\n{body}\n"

    def submit_command(self, job: QueuedJob) -> list[str]:
        """qsub; the prefix of the job's files is no directive, since those are split at blanks."""
        return ["qsub", "-O", str(job.folder / job.name), str(job.script)]

    def _id_printed(self, stdout: str) -> str | None:
        lines = [line for line in stdout.split() if line.isdigit()]
        return lines[-1] if lines else None

    def _ids_of(self, job: QueuedJob, *, also_ended: bool) -> list[str]:
        queued = sorted((i for i, (_, name) in self._queue().items() if name == job.name), key=int)
        if queued or not also_ended:
            return queued
        # One that has ended is no longer in the queue, but has left its log. qsub writes the first of these
        # lines, and may not live to do so; Cobalt writes the other when the job starts.
        logged = re.search(r"^(?:Jobid: |COBALT_JOBID=)(\d+)$", read(cobaltlog(job)), re.MULTILINE)
        return [logged.group(1)] if logged else []

    def _names(self) -> dict[str, str]:
        return {job_id: name for job_id, (_, name) in self._queue().items()}

    def _queue(self) -> dict[str, tuple[str, str]]:
        """State and name of each of the user's jobs by its id. Raises NoAnswerError."""
        # The header is named because a user may have set another one in QSTAT_HEADER.
        asked = ["qstat", "-u", user_name(), "--header", "JobID:State:JobName"]
        answer = ask(asked, self.cmd_timeout)
        lines = answer.stdout.splitlines()
        if answer.returncode != 0 or (lines and not lines[0].split()[:1] == ["JobID"]):
            raise ErrorAnswerError(f"qstat: {answer}")
        rows = [line.split(maxsplit=2) for line in lines[2:]]
        return {row[0]: (row[1].lower(), row[2].strip()) for row in rows if len(row) == 3}

    def _observe(self, jobs: Sequence[QueuedJob]) -> None:
        if not jobs:
            return
        try:
            queue = self._queue()
        except ErrorAnswerError as error:
            self._keep_states(error)
            return
        for job in jobs:
            if job.id in queue:
                word = queue[job.id][0]
                job.seen(STATES.get(word, job.state), word)
            elif not ending(job):
                self._absent(job)

    def _is_gone(self, answer: Answer) -> bool:
        return "not found" in answer.stdout + answer.stderr


def cobaltlog(job: QueuedJob) -> Path:
    """Where Cobalt logs what becomes of a job."""
    return job.folder / f"{job.name}.cobaltlog"


def read(log: Path) -> str:
    """The text of a log; empty while there is none."""
    return log.read_text(errors="replace") if log.exists() else ""


def ending(job: QueuedJob) -> bool:
    """End a job as its log says; False while the log tells of no end."""
    text = read(cobaltlog(job))
    code = re.search(r"task completed normally with an exit code of (\S+);", text)
    if "maximum execution time exceeded" in text:
        job.end(JobState.TIMEOUT, "walltime exceeded")
    elif "user delete requested" in text:
        job.end(JobState.CANCELLED, "deleted by a user")
    elif code and code.group(1) == "0":
        job.end(JobState.COMPLETED, exit_code=0)
    elif code:
        number = code.group(1)
        job.end(
            JobState.FAILED,
            f"the job's script ended with exit code {number}",
            int(number) if number.lstrip("-").isdigit() else None,
        )
    return job.ended
