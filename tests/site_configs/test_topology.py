"""Each worker and each rank of a node has cores of its own, those beside its own GPU.

What a node looks like is written down here from each machine's documentation, apart from what the sites say;
what a process gets is worked out by Parsl's own code, or read off the line that starts the ranks as the
launcher reads it.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput import process_worker_pool
from parsl.logconfigs.file import FileLogging

import site_configs
from pipeline.machine import gpus
from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import LineLauncher
from site_configs.machine import Group, Node
from site_configs.preview import launch_line
from site_configs.topology import as_list, as_mask, shares
from tests.sites import run_on

POLARIS = {gpu: {*range(24 - 8 * gpu, 32 - 8 * gpu), *range(56 - 8 * gpu, 64 - 8 * gpu)} for gpu in range(4)}
"""Per GPU the hardware threads near it: https://docs.alcf.anl.gov/polaris/running-jobs/using-gpus."""

PERLMUTTER = {
    gpu: {*range(48 - 16 * gpu, 64 - 16 * gpu), *range(112 - 16 * gpu, 128 - 16 * gpu)} for gpu in range(4)
}
"""What `nvidia-smi topo -m` and sysfs showed others on two nodes, by public notes read 2026-11."""

FRONTIER = {
    gpu: set(range(first + 1, first + 8)) for gpu, first in zip((4, 5, 2, 3, 6, 7, 0, 1), range(0, 64, 8))
}
"""https://docs.olcf.ornl.gov/systems/frontier_user_guide.html, the diagram of a node: GPU 4 beside cores 0 to
7 and so on; the first core of each eight is the system's."""

AURORA = {
    tile: {core + thread for core in range(first, first + 8) for thread in (0, 104)}
    for tile, first in enumerate((1, 9, 17, 25, 33, 41, 53, 61, 69, 77, 85, 93))
}
"""https://docs.alcf.anl.gov/aurora/running-jobs-aurora/, Example 4: six tiles a socket of 52 cores, of which
the first is the system's."""

MACHINES = {
    "polaris": ("nvidia", POLARIS),
    "perlmutter": ("nvidia", PERLMUTTER),
    "frontier": ("amd", FRONTIER),
    "aurora": ("intel", AURORA),
}
every_machine = pytest.mark.parametrize("name", MACHINES)
Place = tuple[set[int], "str | None"]


def whole_node(name: str, **site: Any) -> Run:
    return run_on(name, len(MACHINES[name][1]), train_on_cpus=False, **site)


def environment_after(shared: str, process: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a process of that number on its node is told of GPUs, when all kinds were named before."""
    with monkeypatch.context() as patch:
        for name in (*gpus.VISIBLE.values(), *gpus.OTHERS_OF_AMD):
            patch.delenv(name, raising=False)
        patch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
        patch.setenv(gpus.SHARED_OUT, shared)
        gpus.take_own(process)
        return dict(os.environ)


def gpu_of(kind: str, shared: str, process: int, monkeypatch: pytest.MonkeyPatch) -> str:
    found = environment_after(shared, process, monkeypatch)
    assert gpus.SHARED_OUT not in found
    assert (kind == "amd") == ("CUDA_VISIBLE_DEVICES" not in found)
    return found[gpus.VISIBLE[kind]]


def worker_of_parsl(executor: HighThroughputExecutor, worker: int, folder: Path, cpus: int) -> set[int]:
    """The hardware threads to which Parsl's own worker code binds a worker of an executor."""
    bound: list[set[int]] = []
    (folder / "block-0" / "pool").mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _: set(range(cpus)))
        patch.setattr(os, "sched_setaffinity", lambda _, cores: bound.append(set(cores)))
        process_worker_pool.worker(
            worker_id=worker,
            pool_id="pool",
            pool_size=int(executor.max_workers_per_node),
            task_queue=multiprocessing.Queue(),
            result_queue=multiprocessing.Queue(),
            monitoring_queue=None,
            ready_worker_count=multiprocessing.Value("i", 0),
            tasks_in_progress={},
            cpu_affinity=executor.cpu_affinity,
            accelerator=None,
            block_id="0",
            task_queue_timeout=1,
            manager_pid=2**22 + 1,  # no process has this number: the worker ends at once
            logdir=str(folder),
            log_config=FileLogging(),
            debug=False,
            mpi_launcher="mpiexec",
        )
        for name in set(os.environ) - set(environment):
            patch.delenv(name)
    os.environ.update(environment)
    (cores,) = bound
    return cores


def executor_of(run: Run, label: str) -> Any:
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    return next(executor for executor in config.executors if executor.label == label)


def workers(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """Cores and GPU of each worker of a node."""
    executor = executor_of(run, "tiles")
    (exported,) = re.findall(
        rf"^export {gpus.SHARED_OUT}=(\S+)$", executor.provider.worker_init, re.MULTILINE
    )
    kind = MACHINES[run.config.site.name][0]
    return [
        (
            worker_of_parsl(executor, worker, folder, 256),
            gpu_of(kind, exported, worker, monkeypatch),
        )
        for worker in range(run.config.site.workers)
    ]


def ranks(run: Run, monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """Cores and GPU of each rank of a node, by the words of its launch line."""
    launcher = site_configs.rank_launcher(run)
    assert isinstance(launcher, LineLauncher)
    line = shlex.join(launch_line(launcher, run) or [])
    masks = re.search(r"--cpu-bind=mask_cpu:(\S+)", line)
    lists = re.search(r"--cpu-bind list:(\S+)", line)
    if masks:
        cores = [{n for n in range(256) if int(mask, 16) >> n & 1} for mask in masks[1].split(",")]
    else:
        assert lists
        cores = [numbers(part) for part in lists[1].split(":")]
    kind = MACHINES[run.config.site.name][0]
    return [(own, gpu_of(kind, launcher.gpus, rank, monkeypatch)) for rank, own in enumerate(cores)]


def numbers(listed: str) -> set[int]:
    """The numbers of a list such as `1-8,105-112`."""
    found: set[int] = set()
    for part in listed.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def assert_each_is_beside_its_own_gpu(name: str, places: list[Place]) -> None:
    near = MACHINES[name][1]
    for cores, gpu in places:
        assert gpu is not None
        assert cores == near[int(gpu)]
    assert len({gpu for _, gpu in places}) == len(near)
    assert sum(len(cores) for cores, _ in places) == len(set().union(*(cores for cores, _ in places)))


@every_machine
def test_every_worker_is_on_the_cores_beside_its_own_gpu(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_each_is_beside_its_own_gpu(name, workers(whole_node(name), tmp_path, monkeypatch))


@every_machine
def test_every_rank_is_on_the_cores_beside_its_own_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_each_is_beside_its_own_gpu(name, ranks(whole_node(name), monkeypatch))


@every_machine
@pytest.mark.parametrize("times", [2, 3])
def test_workers_that_share_a_gpu_share_out_its_cores(
    name: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = MACHINES[name][1]
    places = workers(whole_node(name, workers=times * len(near)), tmp_path, monkeypatch)
    for gpu, cores in near.items():
        own = [found for found, used in places if used == str(gpu)]
        assert len(own) == times
        assert sum(map(len, own)) == len(set().union(*own)) == len(cores)
        assert set().union(*own) == cores


@every_machine
def test_a_queues_node_gives_all_its_gpus_to_the_step_that_starts_the_workers(name: str) -> None:
    run = whole_node(name)
    executor = executor_of(run, "tiles")
    asked = {
        "polaris": "ngpus=4",
        "perlmutter": "--gpus-per-node=4",
        "frontier": "--gpus-per-node=8",
        "aurora": "select=1:ncpus=208\n",
    }[name]
    executor.provider.script_dir = "/nowhere"
    options = getattr(executor.provider, "scheduler_options", "")
    script = options if name in ("perlmutter", "frontier") else executor.provider.submit_script("pool")
    assert asked in script
    if name in ("perlmutter", "frontier"):
        assert asked in executor.provider.launcher("pool", 1, 1)
        assert asked in (launch_line(site_configs.rank_launcher(run), run) or [])


def test_where_cpus_are_asked_for_gpus_are_hidden_and_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_on("frontier", gpus_per_node=0)
    launcher = site_configs.rank_launcher(run)
    assert isinstance(launcher, LineLauncher)
    assert launcher.gpus == gpus.HIDDEN
    assert not [word for word in launch_line(launcher, run) or [] if "gpus" in word]
    found = environment_after(gpus.HIDDEN, 0, monkeypatch)
    assert {found[name] for name in gpus.VISIBLE.values()} == {"-1"}


def test_ranks_on_a_machine_whose_gpus_tensorflow_cannot_use_see_none() -> None:
    run = run_on("aurora", 12)
    launcher = site_configs.rank_launcher(run)
    assert isinstance(launcher, LineLauncher)
    assert launcher.gpus == gpus.HIDDEN
    assert site_configs.remarks(run) == [
        "ranks train on CPUs though nodes have GPUs: site.train_on_cpus is true"
    ]


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    threads=st.integers(1, 4),
    processes=st.integers(1, 64),
)
def test_no_two_processes_share_a_core_while_there_are_enough(
    sizes: list[int], threads: int, processes: int
) -> None:
    first, groups = 0, []
    for number, size in enumerate(sizes):
        groups.append(Group(cores=f"{first}-{first + size - 1}", gpu=str(number)))
        first += size
    node = Node(cores=first, threads_per_core=threads, gpus="nvidia", groups=tuple(groups))
    found = shares(node, processes)
    assert len(found) == processes
    users = [share.gpu for share in found]
    assert max(map(users.count, users)) <= -(-processes // len(groups)) + 1
    everything = [cpu for share in found for cpu in share.cpus]
    assert set(everything) <= set(range(first * threads))
    if processes <= len(groups):
        assert sorted(everything) == list(range(first * threads))
    for share in found:
        assert share.cpus
        assert numbers(as_list(share.cpus)) == set(share.cpus)
        assert {n for n in range(first * threads) if int(as_mask(share.cpus), 16) >> n & 1} == set(share.cpus)
