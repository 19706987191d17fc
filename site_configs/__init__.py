"""Sites: this machine, and those with a batch system that machines/ describes or a file of the user's.

A site is a Parsl Config with executors `head`, `train`, `tiles` and, where that has jobs of its own, `light`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.machine.sockets import socket_folder
from pipeline.wording import counted
from site_configs import described
from site_configs.described import LOCAL, lasting, site_names
from site_configs.light_parsl import LightParsl

if TYPE_CHECKING:  # every process of Parsl's imports this package
    from parsl.config import Config
    from parsl.dataflow.memoization import Memoizer

    from pipeline.config import RunConfig
    from pipeline.run_folder import Run
    from pipeline.training.ranks.launchers import Launcher
    from site_configs.allocation import Allocation
    from site_configs.executors import RetryHandler

sys.meta_path.insert(0, LightParsl())

OF_JOBS = ("tile_nodes", "tile_jobs", "ranks_per_node", "training", "light")
"""Settings of `site` that say what is asked of a batch system, and what a plan counts."""

__all__ = [
    "check",
    "check_address",
    "commands",
    "gpus_per_node",
    "parsl_config",
    "rank_launcher",
    "remarks",
    "site_names",
    "with_defaults",
]


def parsl_config(run: Run, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
    """The Parsl Config of the run's site.

    It asks `memoizer` for finished tasks, and `retry_handler` what a failure costs. Raises
    InputError that lists the sites if it is unknown.
    """
    config: Config = _site(run.config).parsl_config(run, memoizer, retry_handler)
    return config


def with_defaults(config: RunConfig) -> RunConfig:
    """`config` with its site's own defaults where it says nothing else, such as one worker a GPU.

    What is said of jobs and their nodes is for other sites: on this machine, which has neither, it is left
    out. Raises InputError that lists the sites if its site is unknown.
    """
    if config.site.name == LOCAL:
        none = {name: type(config.site).model_fields[name].default for name in OF_JOBS}
        return config.model_copy(update={"site": config.site.model_copy(update=none)})
    own = {"name": lasting(config.site.name)}
    config = config.model_copy(update={"site": config.site.model_copy(update=own)})
    said = config.site.model_fields_set
    left_open = {name: value for name, value in _defaults(config).items() if name not in said}
    return config.model_copy(update={"site": config.site.model_copy(update=left_open)})


def check(run: Run) -> None:
    """Raise InputError unless the run says all that its site needs, and asks for no more than it gives."""
    from site_configs.monitoring import check_monitoring
    from site_configs.names import check_paths

    check_monitoring(run)
    check_paths(run, commands(run))
    socket_folder()
    batch, sharing = run.config.inference.batch, run.config.site.workers // max(1, gpus_per_node(run))
    if batch > max(1, sharing):
        raise InputError(
            f"inference.batch is {batch}, to be filled by as many workers that share a network; "
            f"site.workers is {run.config.site.workers}, which makes {sharing}"
        )
    _site(run.config).check(run)


def check_address(run: Run) -> None:
    """Raise InputError when jobs on other nodes could not reach this machine, and would all be in vain."""
    from site_configs.executors import NAME_INTERFACE, driver_address

    site = run.config.site
    address = driver_address(site) if commands(run) and site.interface is None else ""
    if address.startswith("127."):
        raise InputError(
            f"the host name of this machine stands for {address}, which nodes cannot reach: {NAME_INTERFACE}"
        )


def rank_launcher(run: Run) -> Launcher:
    """How the run's site starts the ranks of a training, from where the training task runs."""
    launcher: Launcher = _site(run.config).rank_launcher(run)
    return launcher


def commands(run: Run) -> Sequence[str]:
    """The commands of the batch system of the run's site; none where there is no batch system."""
    from site_configs import submitted

    if run.config.site.name == LOCAL:
        return ()
    return submitted.commands(described.machine(run.config.site.name), _held(run.config))


def gpus_per_node(run: Run) -> int:
    """GPUs of a node that the run uses."""
    from pipeline.machine import gpus

    site = run.config.site
    if site.gpus_per_node is not None:
        return site.gpus_per_node
    if site.name == LOCAL:
        found = gpus.usable()
        return found.number if found else 0
    return len(described.machine(site.name).node.gpu_numbers)


def remarks(run: Run) -> list[str]:
    """What a user should know of where the run's work is done, a line each."""
    site = run.config.site
    if site.name == LOCAL:
        return []
    said = []
    held = _held(run.config)
    if held is not None:
        said.append(
            f"this is job {held.job_id}, which holds {held}: the work is done there, and nothing is "
            "submitted; site.within_job=no would submit"
        )
        said += shared_cpus(run)
    else:
        from site_configs.stage_jobs import turns

        said += turns(run, described.machine(site.name))
    if site.train_on_cpus and gpus_per_node(run) and run.config.trains:
        said.append("ranks train on CPUs though nodes have GPUs: site.train_on_cpus is true")
    return said


def shared_cpus(run: Run) -> list[str]:
    """Where the workers of a node have more threads than the job that is held has CPUs there, a line."""
    site, held = run.config.site, _held(run.config)
    threads, cpus = site.workers * site.threads_per_worker, held.cpus if held else None
    if cpus is None or threads <= cpus:
        return []
    return [
        f"the workers of a node have {threads} threads (site.workers x site.threads_per_worker), and this "
        f"job holds {counted(cpus, 'CPU')} there, which they share: hold more, by salloc --exclusive or "
        f"--cpus-per-task={threads}, or set fewer"
    ]


def _site(config: RunConfig) -> ModuleType:
    """What runs are done by, on this machine or on nodes."""
    from site_configs import local, submitted

    return local if config.site.name == LOCAL else submitted


def _held(config: RunConfig) -> Allocation | None:
    from site_configs.allocation import allocation

    return allocation(config.site, described.machine(config.site.name).scheduler)


def _defaults(config: RunConfig) -> dict[str, Any]:
    """What the machine's description says, or makes plausible, where the run file is silent."""
    here, site, held = described.machine(config.site.name), config.site, _held(config)
    gpus = len(here.node.gpu_numbers) if site.gpus_per_node is None else site.gpus_per_node
    groups = gpus or len(here.node.groups)
    found = {
        "workers": here.workers or groups,
        "threads_per_worker": here.threads_per_worker or _cores_of_a_worker(config, groups),
        "ranks_per_node": here.ranks_per_node or groups,
        "gpus_per_node": gpus,  # no GPUs that are known: whatever is there is used and not missed
        "train_on_cpus": here.train_on_cpus,
        "share_nodes": here.share_nodes,
        "tile_nodes": held.nodes if held else 0,
    }
    # a number that is not known is left at the default of all sites
    return {name: value for name, value in found.items() if value}


def _cores_of_a_worker(config: RunConfig, groups: int) -> int:
    """Of its group's, of which `groups` are used; several workers of a group split them. 0: not known."""
    from site_configs.machine import cores_in

    here, site = described.machine(config.site.name), config.site
    sizes = [len(cores_in(group.cores)) for group in here.node.groups]
    if not sizes:
        return 0
    workers = site.workers if "workers" in site.model_fields_set else here.workers or groups
    return max(1, min(sizes) // -(-workers // min(groups, len(sizes))))
