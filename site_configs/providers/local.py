"""Blocks on this machine: Parsl's provider, mended where a script's path becomes shell text."""

from __future__ import annotations

import time
from pathlib import Path

from parsl.jobs.states import JobState, JobStatus
from parsl.providers import LocalProvider as ParslLocalProvider
from parsl.providers.errors import SubmitException

from site_configs.providers.scheduler import SilenceError, answer_of

START = """
echo - >"$1.ec" || exit
{ bash "$1" >"$1.out" 2>"$1.err"; echo $? >"$1.ec.whole"; mv -f "$1.ec.whole" "$1.ec"; } >/dev/null 2>&1 &
echo $!
"""
"""Starts a script in the background and tells its process. What Parsl reads is never there in part."""


class LocalProvider(ParslLocalProvider):
    """One block is one script, run on this machine. Arguments are those of Parsl's provider."""

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.local") -> str:
        """Start a block; returns the id of its process. Raises SubmitException."""
        assert self.script_dir, "Parsl sets script_dir before it submits"
        name = f"{job_name}.{time.time()}"
        script = Path(self.script_dir).resolve() / f"{name}.sh"
        work = self.launcher(command, tasks_per_node, self.nodes_per_block, self.script_dir)
        try:
            script.write_text(f"{self.worker_init}\nexport JOBNAME={name}\n{work}")
            # not as a scheduler is asked: in an allocation the script's srun must know of it
            answer = answer_of(["/bin/bash", "-c", START, "bash", str(script)], self.cmd_timeout)
        except (SilenceError, OSError) as error:
            raise SubmitException(name, str(error)) from error
        job_id = answer.stdout.strip()
        if answer.returncode != 0 or not job_id.isdigit():
            raise SubmitException(name, f"bash: {answer}")
        self.resources[job_id] = {
            "job_id": job_id,
            "status": JobStatus(JobState.RUNNING),
            "remote_pid": int(job_id),
            "script_path": str(script),
        }
        return job_id
