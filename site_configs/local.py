"""This machine, whatever it is: a laptop, a workstation, or a node you are logged in to.

`site.workers` tiles are segmented at a time, each by one process with `site.threads_per_worker`
threads; training starts `training.ranks` processes here. Nothing needs to be installed or queued.
"""

from __future__ import annotations

import os

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer
from parsl.launchers import SimpleLauncher, WrappedLauncher

from pipeline.config import Site
from pipeline.run_folder import Run
from pipeline.training.launch import local_launcher
from pipeline.training.ranks.launchers import Launcher
from site_configs.executors import RetryHandler, config, executor
from site_configs.providers.local import LocalProvider

COMMANDS: tuple[str, ...] = ()


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """Three executors on this machine."""
    site = run.config.site
    affinity = "block" if 1 < site.workers <= len(os.sched_getaffinity(0)) else "none"
    executors = [
        executor(site, "train", _provider(site), workers=1),
        executor(site, "tiles", _provider(site), workers=site.workers, cpu_affinity=affinity),
    ]
    return config(run, memoizer, retry_handler, executors)


def rank_launcher(run: Run) -> Launcher:
    """Ranks are processes of this machine."""
    return local_launcher(run)


def _provider(site: Site) -> LocalProvider:
    return LocalProvider(
        init_blocks=0,  # where everything is finished, nothing is started
        min_blocks=0,
        max_blocks=1,
        launcher=_launcher(site),
    )


def _launcher(site: Site) -> SimpleLauncher | WrappedLauncher:
    """A block ends as a batch system ends it: SIGTERM at its walltime, SIGKILL half a minute later."""
    if site.walltime_s is None:
        return SimpleLauncher()
    return WrappedLauncher(prepend=f"timeout --signal=TERM --kill-after=30 {site.walltime_s}")
