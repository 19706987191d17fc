"""This machine, whatever it is: a laptop, a workstation, or a node you are logged in to.

`site.workers` tiles are segmented at a time, each by one process with `site.threads_per_worker`
threads; training starts `training.ranks` processes here. They share its GPUs, if there are any, evenly.
Nothing needs to be installed or queued.
"""

from __future__ import annotations

import os

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer
from parsl.launchers import SimpleLauncher, WrappedLauncher

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.machine import gpus
from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher, LocalLauncher
from site_configs.executors import RetryHandler, config, executor
from site_configs.providers.local import LocalProvider
from site_configs.topology import shared_out


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """Three executors on this machine."""
    site = run.config.site
    affinity = "block" if 1 < site.workers <= len(os.sched_getaffinity(0)) else "none"
    shared = gpus_of(site, site.workers)
    init = f"export {gpus.SHARED_OUT}={shared}" if shared else ""
    executors = [
        executor(site, "train", _provider(site), workers=1),
        executor(site, "tiles", _provider(site, init), workers=site.workers, cpu_affinity=affinity),
    ]
    return config(run, memoizer, retry_handler, executors)


def check(run: Run) -> None:
    """Raise InputError where GPUs are asked for that are not here, or another Python for nodes."""
    if run.config.site.python is not None:
        raise InputError(
            "site.python is for the jobs of a batch system; on one machine start ffn itself in the container"
        )
    found, wanted = gpus.usable(), run.config.site.gpus_per_node or 0
    if wanted > (found.number if found else 0):
        raise InputError(
            f"site.gpus_per_node is {wanted}; this machine has {found or 'none'} that its drivers show: set "
            "fewer, or 0 for its CPUs"
        )


def rank_launcher(run: Run) -> Launcher:
    """Ranks are processes of this machine."""
    training, site = run.config.training, run.config.site
    shared = gpus.HIDDEN if site.train_on_cpus else gpus_of(site, training.ranks)
    return LocalLauncher(training.ranks, training.threads_per_rank, gpus=shared)


def gpus_of(site: Site, processes: int) -> str:
    """The GPU of each of so many processes, as `share_out` says it; empty where there is none to use."""
    if site.gpus_per_node == 0:
        return gpus.HIDDEN
    found = gpus.usable()
    if found is None:
        return ""
    count = min(found.number, site.gpus_per_node or found.number)
    return gpus.share_out(found.kind, [str(gpu) for gpu in shared_out(range(count), processes)])


def _provider(site: Site, worker_init: str = "") -> LocalProvider:
    return LocalProvider(
        init_blocks=0,  # where everything is finished, nothing is started
        min_blocks=0,
        max_blocks=1,
        launcher=_launcher(site),
        worker_init=worker_init,
    )


def _launcher(site: Site) -> SimpleLauncher | WrappedLauncher:
    """A block ends as a batch system ends it: SIGTERM at its walltime, SIGKILL half a minute later."""
    if site.walltime_s is None:
        return SimpleLauncher()
    return WrappedLauncher(prepend=f"timeout --signal=TERM --kill-after=30 {site.walltime_s}")
