"""Whether Slurm would take a run's jobs, and when they would start: asked of it, without submitting them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import site_configs
from pipeline.checkup import Finding, fail, ok, skip, warn
from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs import cluster, placement, slurm_jobs
from site_configs.described import machine
from site_configs.machine import Machine
from site_configs.providers.batch import BUSY, FULL
from site_configs.providers.scheduler import NoAnswerError, QueuedJob, ask
from site_configs.stage_jobs import StageJob, wanted_jobs

START = re.compile(r"Job \d+ to start at (\S+)")
"""What `sbatch --test-only` says of a job that would be taken."""


def trial(run: Run, limit_s: float) -> Finding:
    """One finding of all kinds of jobs; Slurm may take `limit_s` seconds for each."""
    if "sbatch" not in site_configs.commands(run):
        return skip("only Slurm tells, of jobs that are to be submitted")
    here = machine(run.config.site.name)
    starts, doubts = list[str](), list[str]()
    try:
        site_configs.check(run)
        for job in wanted_jobs(run, here):
            said, is_taken = _asked(run, here, job, limit_s)
            if not is_taken and BUSY.search(said):
                return skip(f"not known: {said}")
            (starts if is_taken else doubts).append(f"{job.kind} {said}")
            if not is_taken and not FULL.search(said):
                return fail(f"sbatch would not take {job.kind}: {said}", "mend what is asked for")
    except InputError:
        return skip("mend what is said of the job first")
    except (NoAnswerError, FileNotFoundError) as error:
        return skip(f"not known: {error}")
    if doubts:
        return warn(f"not taken now: {'; '.join(doubts)}", "a run waits until they are")
    return ok(f"as things are, {', '.join(starts)}")


def _asked(run: Run, here: Machine, job: StageJob, limit_s: float) -> tuple[str, bool]:
    """Slurm's words for one kind of job, and whether it would be taken. Raises NoAnswerError."""
    provider = slurm_jobs.provider(
        run, here, job, placement.pools(run, here, job), cluster.worker_init(run, here)
    )
    with tempfile.TemporaryDirectory() as folder:
        queued = QueuedJob(f"ffn.{job.kind}", Path(folder))
        provider.script_dir = folder
        queued.script.write_text(provider.submit_script("true", 1, queued.name))
        command = provider.submit_command(queued)
        command.insert(command.index("sbatch") + 1, "--test-only")
        answer = ask(command, limit_s)
    found = START.search(answer.stderr)
    if answer.returncode == 0 and found:
        return f"would start at {found[1].replace('T', ' ')}", True
    return " ".join((answer.stderr or answer.stdout).split()), False
