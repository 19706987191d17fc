"""SlurmProvider: Parsl's, mended where it calls a killed job completed, or could submit one twice."""

from __future__ import annotations

import logging
import shlex
import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from parsl.jobs.states import JobState, JobStatus
from parsl.providers import SlurmProvider as ParslSlurmProvider

from site_configs.providers.scheduler import NoAnswerError

log = logging.getLogger(__name__)

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

UNANSWERED = ("Unable to contact", "Socket timed out", "Connection refused", "Transport endpoint")
"""What Slurm's commands say when the controller did not answer; anything else is its answer."""

DIRECTIVES_WITH_PATHS = ("#SBATCH --output=", "#SBATCH --error=")
"""In Parsl's template for a script."""

ASK_AGAIN_S = 10
PATIENCE_S = 1800
"""How long a submission waits for a controller that does not answer."""


class SlurmProvider(ParslSlurmProvider):
    """Jobs of a Slurm cluster, with or without accounting.

    A job is looked for among those that the controller remembers, also when they are over (MinJobAge, 5
    minutes unless set otherwise); of an older one its script has written the exit status. A job of which
    neither is known has failed.

    Arguments are those of Parsl's provider, and `poll_s`: how often the jobs are looked at, in seconds.
    """

    def __init__(self, *, poll_s: int, **options: Any) -> None:
        super().__init__(cmd_timeout=60, **options)
        # a block that lost a node is replaced by Parsl; Slurm would start the same one once more
        self.scheduler_options += "#SBATCH --no-requeue\n"
        self.poll_s = poll_s

    @property
    def status_polling_interval(self) -> int:
        return self.poll_s

    def _status(self) -> None:
        jobs: dict[Any, dict[str, Any]] = self.resources
        active = [job_id for job_id, job in jobs.items() if not job["status"].terminal]
        if not active:
            return
        known = self._remembered(active)
        if known is None:
            return  # Slurm does not answer: nothing is known to have changed
        for job_id in active:
            job = jobs[job_id]
            status = _exit_status(job)
            state, message = known.get(job_id) or _forgotten(status)
            job["status"] = JobStatus(
                state,
                message=message,
                exit_code=status,
                stdout_path=job.get("job_stdout_path"),
                stderr_path=job.get("job_stderr_path"),
            )

    def _remembered(self, job_ids: list[str]) -> dict[str, tuple[JobState, str]] | None:
        """State and Slurm's words for it of each job that the controller remembers; None: no answer."""
        clusters = f" --clusters={self.clusters}" if self.clusters else ""
        code, output, error = self.execute_wait(
            f"squeue{clusters} --noheader --states=all --format='%i|%T|%r' --jobs={','.join(job_ids)}"
        )
        if code != 0 and "Invalid job id" not in error:
            log.warning("squeue: %s", error.strip())
            return None
        states = {}
        for line in output.splitlines():
            job_id, state, reason = [*(part.strip() for part in line.split("|", 2)), "", ""][:3]
            if job_id in job_ids:
                held = state == "PENDING" and reason in HOLDS
                parsl_state = JobState.HELD if held else STATES.get(state, JobState.UNKNOWN)
                states[job_id] = (parsl_state, state if reason in ("", "None") else f"{state}, {reason}")
        return states

    def execute_wait(self, cmd: str, timeout: int | None = None) -> tuple[int, str, str]:
        """As Parsl's, but a command that takes too long was not answered, and a submission waits for one."""
        program, _, script = cmd.partition(" ")  # Parsl writes the path of a script as it is
        return self._submit_once(Path(script)) if program == "sbatch" else self._ask(cmd)

    def _ask(self, cmd: str) -> tuple[int, str, str]:
        try:
            answer: tuple[int, str, str] = super().execute_wait(cmd)
            return answer
        except subprocess.TimeoutExpired as late:
            return 1, "", f"Socket timed out: no answer in {late.timeout} s to {cmd}"

    def _submit_once(self, script: Path) -> tuple[int, str, str]:
        """Submit a script; one that was not answered may have been submitted, and is looked for by its name.

        No other job has that name.
        """
        cmd = shlex.join(submit_command(script))
        look = f"squeue --me --noheader --states=all --format=%i --name={script.name}"
        deadline = time.monotonic() + PATIENCE_S
        answer = self._ask(cmd)
        while _is_unanswered(answer) and time.monotonic() < deadline:
            log.warning("%s: %s", cmd, answer[2].strip())
            time.sleep(ASK_AGAIN_S)
            found = self._ask(look)
            if not _is_unanswered(found):
                job_ids = found[1].split()
                answer = (0, f"Submitted batch job {job_ids[0]}\n", "") if job_ids else self._ask(cmd)
        return answer

    def delete_leftovers(self, names: Collection[str]) -> list[str]:
        """Delete the jobs of these names, which a driver that was killed left in the queue; returns ids.

        Raises NoAnswerError.
        """
        code, output, error = self._ask("squeue --me --noheader --format='%i %j'")
        if code != 0:
            raise NoAnswerError(f"squeue: {error.strip()}")
        jobs = dict(line.split(maxsplit=1) for line in output.splitlines())
        left = [job_id for job_id, name in jobs.items() if name.strip() in names]
        code, _, error = self._ask(f"scancel {' '.join(left)}") if left else (0, "", "")
        if code != 0:
            raise NoAnswerError(f"scancel: {error.strip()}")
        return left

    def _write_submit_script(
        self, template: str, script_filename: str, job_name: str, configs: dict[str, Any]
    ) -> None:
        """Parsl's script, which also leaves the exit status of what it runs beside itself."""
        left = shlex.quote(f"{script_filename}.status")
        work = f"(\n{configs['user_script'].strip()}\n)\nstatus=$?\necho $status > {left}\nexit $status"
        lines = [line for line in template.splitlines() if not line.startswith(DIRECTIVES_WITH_PATHS)]
        super()._write_submit_script(
            "\n".join(lines), script_filename, job_name, {**configs, "user_script": work}
        )


def submit_command(script: Path) -> list[str]:
    """sbatch; paths are no directives, since those end at blanks. In paths `%` begins what Slurm fills in."""
    output = str(script).replace("%", "%%")
    return ["sbatch", f"--output={output}.stdout", f"--error={output}.stderr", str(script)]


def _is_unanswered(answer: tuple[int, str, str]) -> bool:
    return answer[0] != 0 and any(words in answer[2] for words in UNANSWERED)


def _exit_status(job: dict[str, Any]) -> int | None:
    """What the job's script has left, if it came to its end; a job of an older driver has no known script."""
    output = job.get("job_stdout_path")
    try:
        return None if output is None else int(Path(output).with_suffix(".status").read_text())
    except (OSError, ValueError):
        return None


def _forgotten(status: int | None) -> tuple[JobState, str]:
    """What became of a job that the controller does not know any more."""
    if status is None:
        return JobState.FAILED, "gone from the queue before its script came to its end"
    return (JobState.FAILED if status else JobState.COMPLETED), f"ended with exit status {status}"
