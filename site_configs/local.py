"""This machine, whatever it is: a laptop, a workstation, or a node you are logged in to.

`site.workers` tiles are segmented at a time, each by one process with `site.threads_per_worker`
threads; training starts `training.ranks` processes here. Nothing needs to be installed or queued.
"""

from __future__ import annotations

import os

from parsl.config import Config
from parsl.dataflow.dependency_resolvers import DEEP_DEPENDENCY_RESOLVER
from parsl.dataflow.memoization import Memoizer
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.launchers import SimpleLauncher, WrappedLauncher
from parsl.providers import LocalProvider

from pipeline.config import Site
from pipeline.run_folder import Run
from site_configs import RetryHandler
from site_configs.blocks import drain_period_s, give_up_on_barren_blocks
from site_configs.tether import interchange_command
from site_configs.worker_pool import launch_command


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """Three executors on this machine; Parsl's own files go to the run's logs folder."""
    site = run.config.site
    return Config(
        executors=[
            ThreadPoolExecutor(label="head", max_threads=2),
            _executor(run, "train", workers=1),
            _executor(run, "tiles", workers=site.workers),
        ],
        memoizer=memoizer,
        dependency_resolver=DEEP_DEPENDENCY_RESOLVER,
        run_dir=str(run.logs_folder / "parsl"),
        strategy="simple",
        strategy_period=0.5,
        max_idletime=3600,
        retries=0,  # the handler alone decides: what costs nothing is tried again
        retry_handler=retry_handler,
        exit_mode="skip",
    )


def _executor(run: Run, label: str, workers: int) -> HighThroughputExecutor:
    return HighThroughputExecutor(
        label=label,
        address="127.0.0.1",
        max_workers_per_node=workers,
        cores_per_worker=1e-6,  # the number of workers is the user's to say, not the core count's
        cpu_affinity="block" if 1 < workers <= len(os.sched_getaffinity(0)) else "none",
        poll_period=100,  # ms; at Parsl's 10 idle processes wake up a hundred times a second
        heartbeat_period=2,
        heartbeat_threshold=10,
        interchange_launch_cmd=interchange_command(),
        launch_cmd=launch_command(),
        block_error_handler=give_up_on_barren_blocks,
        drain_period=drain_period_s(run.config.site),
        provider=LocalProvider(
            init_blocks=0,  # where everything is finished, nothing is started
            min_blocks=0,
            max_blocks=1,
            launcher=_launcher(run.config.site),
        ),
    )


def _launcher(site: Site) -> SimpleLauncher | WrappedLauncher:
    """A block ends as a batch system ends it: SIGTERM at its walltime, SIGKILL half a minute later."""
    if site.walltime_s is None:
        return SimpleLauncher()
    return WrappedLauncher(prepend=f"timeout --signal=TERM --kill-after=30 {site.walltime_s}")
