"""One module a machine: what it looks like, as a Parsl Config with executors `head`, `train`, `tiles`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.machine.sockets import socket_folder

if TYPE_CHECKING:  # every process of Parsl's imports this package
    from parsl.config import Config
    from parsl.dataflow.memoization import Memoizer

    from pipeline.config import RunConfig
    from pipeline.run_folder import Run
    from pipeline.training.ranks.launchers import Launcher
    from site_configs.executors import RetryHandler

HELPERS = (
    "accounts",
    "blocks",
    "checkup",
    "cluster",
    "executor",
    "executors",
    "last_words",
    "monitoring",
    "names",
    "partitions",
    "pbs_jobs",
    "preview",
    "providers",
    "queues",
    "slurm_jobs",
    "tether",
    "worker_pool",
)


def site_names() -> list[str]:
    """Every site that `--site` accepts."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(m.name for m in modules if m.name not in HELPERS)


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """The Parsl Config of the run's site.

    It asks `memoizer` for finished tasks, and `retry_handler` what a failure costs. Raises
    InputError that lists the sites if it is unknown.
    """
    config: Config = _module(run.config).parsl_config(run, memoizer, retry_handler)
    return config


def with_defaults(config: RunConfig) -> RunConfig:
    """`config` with its site's own defaults where it says nothing else, such as one worker a GPU.

    Raises InputError that lists the sites if its site is unknown.
    """
    own = getattr(_module(config), "DEFAULTS", {})
    left_open = {name: value for name, value in own.items() if name not in config.site.model_fields_set}
    return config.model_copy(update={"site": config.site.model_copy(update=left_open)})


def check(run: Run) -> None:
    """Raise InputError unless the run says all that its site needs, and asks for no more than it gives."""
    from site_configs.monitoring import check_monitoring
    from site_configs.names import check_paths

    check_monitoring(run)
    module = _module(run.config)
    check_paths(run, module.COMMANDS)
    socket_folder()
    batch, sharing = run.config.inference.batch, run.config.site.workers // max(1, gpus_per_node(run))
    if batch > max(1, sharing):
        raise InputError(
            f"inference.batch is {batch}, to be filled by as many workers that share a network; "
            f"site.workers is {run.config.site.workers}, which makes {sharing}"
        )
    if hasattr(module, "check"):
        module.check(run)


def check_address(run: Run) -> None:
    """Raise InputError when jobs on other nodes could not reach this machine, and would all be in vain."""
    from site_configs.executors import driver_address

    site = run.config.site
    address = driver_address(site) if commands(run) and site.interface is None else ""
    if address.startswith("127."):
        raise InputError(
            f"the host name of this machine stands for {address}, which nodes cannot reach: set "
            "site.interface to the network interface on which they reach it (`ip -4 address` lists them)"
        )


def rank_launcher(run: Run) -> Launcher:
    """How the run's site starts the ranks of a training, from where the training task runs."""
    launcher: Launcher = _module(run.config).rank_launcher(run)
    return launcher


def commands(run: Run) -> Sequence[str]:
    """The commands of the batch system of the run's site; none where there is no batch system."""
    named: Sequence[str] = _module(run.config).COMMANDS
    return named


def gpus_per_node(run: Run) -> int:
    """GPUs of a node of the run's site, 0 where the site knows of none."""
    return getattr(_module(run.config), "GPUS", 0)


def _module(config: RunConfig) -> ModuleType:
    name = config.site.name
    if name not in site_names():
        raise InputError(f"unknown site {name!r}; known sites: {', '.join(site_names())}")
    return importlib.import_module(f"site_configs.{name}")
