"""One module a machine: what it looks like, as a Parsl Config with executors `head`, `train`, `tiles`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from parsl.config import Config
from parsl.dataflow.memoization import Memoizer
from parsl.dataflow.taskrecord import TaskRecord

from pipeline.errors import InputError
from pipeline.run_folder import Run

RetryHandler: TypeAlias = Callable[[Exception, TaskRecord], float]
HELPERS = ("blocks", "tether", "worker_pool", "providers")


def site_names() -> list[str]:
    """Every site that `--site` accepts."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(m.name for m in modules if m.name not in HELPERS)


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """The Parsl Config of the run's site.

    It asks `memoizer` for finished tasks, and `retry_handler` what a failure costs. Raises
    InputError that lists the sites if it is unknown.
    """
    check_site(run.config.site.name)
    module = importlib.import_module(f"site_configs.{run.config.site.name}")
    config: Config = module.parsl_config(run, memoizer, retry_handler)
    return config


def check_site(name: str) -> None:
    """Raise InputError unless there is a site of this name."""
    if name not in site_names():
        raise InputError(f"unknown site {name!r}; known sites: {', '.join(site_names())}")
