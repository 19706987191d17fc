"""Parsl itself runs tasks in blocks of the emulated machines, and gets over what befalls them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from parsl import python_app
from parsl.config import Config
from parsl.dataflow.dflow import DataFlowKernel
from parsl.executors import HighThroughputExecutor
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.launchers import WrappedLauncher

from site_configs.providers.batch import BatchProvider
from site_configs.providers.cobalt import CobaltProvider
from site_configs.providers.pbs import PbsProvider
from site_configs.tether import interchange_command
from tests.emulators.cluster import REPOSITORY, Cluster
from tests.emulators.tasks import node_after

pytestmark = pytest.mark.slow

PATIENCE_S = 300
"""A block comes up in seconds, on a machine that has nothing else to do."""


class Machine:
    """Parsl on an emulated machine: blocks of two nodes, one worker a node, one block at a time."""

    def __init__(self, cluster: Cluster, provider: BatchProvider, folder: Path) -> None:
        self.cluster = cluster
        self.provider = provider
        self.executor = HighThroughputExecutor(
            label="tiles",
            address="127.0.0.1",
            max_workers_per_node=1,
            cores_per_worker=1e-6,
            heartbeat_period=1,
            heartbeat_threshold=5,
            interchange_launch_cmd=interchange_command(folder / "interchange.output"),
            provider=provider,
            block_error_handler=windowed_error_handler,
        )
        self.kernel = DataFlowKernel(
            Config([self.executor], run_dir=str(folder), strategy="simple", strategy_period=0.5, retries=2)
        )

    def run(self, seconds: float) -> Future[str]:
        """A task of that length; it returns the node on which it ran."""
        future: Future[str] = python_app(node_after, data_flow_kernel=self.kernel)(seconds)
        return future


@pytest.fixture(params=["cobalt", "pbs"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    cluster = request.getfixturevalue(request.param)
    cluster.change(minute_s=10.0)
    # PBS's own folder of temporary files has a path too long for sockets
    path = f'export TMPDIR=/tmp PATH="{Path(sys.executable).parent}:$PATH" PYTHONPATH="{REPOSITORY}"'
    provider: BatchProvider
    if request.param == "cobalt":
        launcher = WrappedLauncher("aprun -n 2 -N 1")
        provider = CobaltProvider(launcher=launcher, nodes_per_block=2, worker_init=path)
    else:
        launcher = WrappedLauncher("mpiexec -n 2 --ppn 1")
        provider = PbsProvider(
            launcher=launcher, account="EM", filesystems="home", nodes_per_block=2, worker_init=path
        )
    provider.poll_s = 1
    machine = Machine(cluster, provider, tmp_path / "parsl")
    yield machine
    machine.kernel.cleanup()
    cluster.wait_for(lambda: all(job.state == "done" for job in cluster.jobs()))


def test_tasks_run_on_every_node_of_a_block(machine: Machine) -> None:
    machine.run(0)
    machine.cluster.wait_for(lambda: len(machine.executor.connected_managers()) == 2)
    nodes = {future.result(timeout=PATIENCE_S) for future in [machine.run(2) for _ in range(4)]}
    assert len(nodes) == 2
    assert machine.cluster.submissions() == 1


def test_a_block_that_is_deleted_by_hand_is_replaced(machine: Machine) -> None:
    task = machine.run(5)
    machine.cluster.wait_for(lambda: machine.executor.connected_managers())
    (job,) = machine.cluster.jobs()
    machine.cluster.run("qdel", str(job.id))
    task.result(timeout=PATIENCE_S)
    assert machine.cluster.submissions() == 2


def test_a_held_block_is_not_joined_by_others(machine: Machine) -> None:
    machine.cluster.stop()
    task = machine.run(0)
    machine.cluster.wait_for(machine.cluster.jobs)
    key = str(machine.cluster.jobs()[0].id)
    machine.cluster.hold(key)
    time.sleep(5)  # several looks of the provider and of Parsl's strategy
    assert machine.cluster.submissions() == 1
    machine.cluster.hold(key, by="")
    machine.cluster.start()
    task.result(timeout=PATIENCE_S)
    assert machine.cluster.submissions() == 1


def test_a_broken_environment_is_given_up_with_its_own_error(machine: Machine) -> None:
    machine.provider.worker_init = "source /no/such/environment; exit 1"
    with pytest.raises(Exception, match="/no/such/environment"):
        machine.run(0).result(timeout=PATIENCE_S)
    assert machine.cluster.submissions() == 3
