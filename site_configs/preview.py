"""What a site would submit, without submitting it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from parsl.config import Config
from parsl.executors import HighThroughputExecutor

from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import LineLauncher
from site_configs.providers.batch import BatchProvider
from site_configs.providers.scheduler import QueuedJob


def submit_scripts(run: Run, config: Config) -> dict[str, str]:
    """By executor label, the script of a job; none for executors whose blocks are not batch jobs.

    What is known only when a run starts stands in it by name: PORT, ID.
    """
    scripts = {}
    for executor in config.executors:
        if isinstance(executor, HighThroughputExecutor) and isinstance(executor.provider, BatchProvider):
            scripts[executor.label] = _script(executor, executor.provider, run)
    return scripts


def launch_line(launcher: object, run: Run) -> list[str] | None:
    """The command line that starts the ranks of a training, if they are started by one."""
    return launcher.command_of(run.folder) if isinstance(launcher, LineLauncher) else None


def _script(executor: Any, provider: BatchProvider, run: Run) -> str:
    """The very script that an executor's provider writes when it is asked for a block."""
    executor.run_dir = str(run.logs_folder / "parsl" / "NNN")
    executor.cert_dir = f"{executor.logdir}/certificates"
    executor.logconf_path = None
    executor.worker_port = "PORT"
    executor.initialize_scaling()
    provider.script_dir = f"{executor.run_dir}/submit_scripts"
    job = QueuedJob(f"parsl.{executor.label}.block-0.ID", Path(provider.script_dir))
    text = provider.submit_script(executor._get_launch_command("0"), 1, job.name)
    return f"{text}\n# submitted by\n# {shlex.join(provider.submit_command(job))}\n"
