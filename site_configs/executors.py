"""What every site's Parsl Config has in common: its executors, and how they live and end."""

from __future__ import annotations

import glob
import itertools
import logging
import platform
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

from parsl.addresses import address_by_hostname, address_by_interface
from parsl.config import Config
from parsl.dataflow.dependency_resolvers import DEEP_DEPENDENCY_RESOLVER
from parsl.dataflow.memoization import Memoizer
from parsl.dataflow.taskrecord import TaskRecord
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.providers.base import ExecutionProvider

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs.blocks import drain_period_s, give_up_on_barren_blocks
from site_configs.described import LOCAL, machine
from site_configs.executor import Executor, launch_command
from site_configs.monitoring import hub

RetryHandler: TypeAlias = Callable[[Exception, TaskRecord], float]

WORKER_PORTS = (54000, 55000)
"""The driver listens to its workers on ports from the first of these up to, not including, the second."""

NAME_INTERFACE = (
    "set site.interface to the network interface on which nodes reach this machine "
    "(`ip -4 address` lists them)"
)

NOISY = ("parsl.jobs.strategy", "parsl.process_loggers")
"""Parsl's loggers that say twice a second, in a third of a gigabyte a day, that there is nothing to do."""


def config(
    run: Run,
    memoizer: Memoizer,
    retry_handler: RetryHandler,
    executors: Sequence[HighThroughputExecutor],
    idle_s: float = 3600,
) -> Config:
    """Those executors, and `head` in the driver; a block idle for `idle_s` is given back.

    Parsl's own files go to the run's logs folder.
    """
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.INFO)
    return Config(
        executors=[ThreadPoolExecutor(label="head", max_threads=2), *executors],
        memoizer=memoizer,
        dependency_resolver=DEEP_DEPENDENCY_RESOLVER,
        run_dir=str(_folder_of_parsl(run.logs_folder / "parsl")),
        strategy="simple",
        strategy_period=0.5,
        max_idletime=idle_s,
        retries=0,  # the handler alone decides: what costs nothing is tried again
        retry_handler=retry_handler,
        exit_mode="skip",
        monitoring=hub(run),
    )


def _folder_of_parsl(folder: Path) -> Path:
    """Where Parsl numbers its runs: it looks for earlier ones by a pattern, in vain below brackets."""
    if not glob.has_magic(str(folder)):
        return folder
    return next(free for n in itertools.count() if not (free := folder / f"{n:03}").exists())


def executor(
    site: Site,
    label: str,
    provider: ExecutionProvider,
    *,
    workers: int,
    address: str = "127.0.0.1",
    cpu_affinity: str = "none",
    heartbeat_s: int = 2,
    python: Sequence[str] = (),
) -> HighThroughputExecutor:
    """An executor with `workers` workers on each node of its provider's blocks.

    `address` is where the workers reach the driver, which listens to them nowhere else. A side that was not
    heard of for five times `heartbeat_s` is gone. `python` starts the pools, if not this process's. Parsl is
    told of no GPUs: it would name those of all kinds.
    """
    made = Executor(
        label=label,
        address=address,
        loopback_address="127.0.0.1",
        encrypted=True,  # who has not read the run's keys is heard by neither side
        worker_port_range=WORKER_PORTS,
        max_workers_per_node=workers,
        cores_per_worker=1e-6,  # the number of workers is the user's to say, not the core count's
        cpu_affinity=cpu_affinity,
        poll_period=100,  # ms; at Parsl's 10 idle processes wake up a hundred times a second
        heartbeat_period=heartbeat_s,
        heartbeat_threshold=5 * heartbeat_s,
        address_probe_timeout=5 * heartbeat_s,  # a pool that starts as the driver dies waits no longer either
        launch_cmd=launch_command(),
        block_error_handler=partial(give_up_on_barren_blocks, set()),
        drain_period=drain_period_s(site),
        provider=provider,
    )
    made.python = python
    return made


def driver_address(site: Site) -> str:
    """The IPv4 address at which this machine is reached by the nodes.

    That of `site.interface`; without it, of the interface on which the machine's nodes reach each other where
    it is here too, as on login nodes of Slingshot machines; else what the host name stands for. Raises
    InputError when there is none.
    """
    if site.interface is not None:
        try:
            return address_by_interface(site.interface)
        except OSError:
            here = [name for _, name in socket.if_nameindex()]
            if site.interface in here:
                lacks = f"the network interface {site.interface!r} has no IPv4 address here"
            else:
                lacks = f"there is no network interface {site.interface!r} here, but {', '.join(here)}"
            raise InputError(f"site.interface: {lacks}") from None
    usual = None if site.name == LOCAL else machine(site.name).interface
    with suppress(OSError):
        if usual:
            return address_by_interface(usual)
    try:
        return address_by_hostname()
    except OSError:
        raise InputError(
            f"the host name of this machine, {platform.node()!r}, stands for no IPv4 address: "
            f"{NAME_INTERFACE}"
        ) from None
