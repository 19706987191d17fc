"""Horovod, behind one module: how ranks meet, and what they compute together."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.machine.sockets import require_host_name
from pipeline.training.ranks.horovod_threads import HorovodThreads
from pipeline.training.ranks.meeting_point import meeting_point
from pipeline.wording import counted

MEETING_TIMEOUT_S = 600
"""How long ranks wait for the last of them: loading TensorFlow takes minutes on a busy file system. One that
dies meanwhile is noticed by its launcher at once."""

CYCLE = "HOROVOD_CYCLE_TIME", "0.2"
"""Milliseconds after which Horovod looks for work again, where the environment does not say: of its own 1, a
step of the demo's network waits for half on the mean."""

TRANSPORT = ("HOROVOD_CONTROLLER", "HOROVOD_CPU_OPERATIONS")
"""Environment variables that say over what ranks talk: gloo or mpi."""

STARTED_BY_MPI = ("PMI_RANK", "PMIX_RANK", "PALS_RANKID", "OMPI_COMM_WORLD_RANK", "ALPS_APP_PE")
"""Of these an MPI's launch command sets one; without it each process would be all that its MPI finds."""


@contextmanager
def rendezvous(
    ranks: int,
    ranks_per_node: int | None = None,
    address: str = "127.0.0.1",
    interface: str | None = "lo",
    choose: bool = False,
) -> Iterator[list[dict[str, str]]]:
    """Serve the meeting point of `ranks` processes, here or on nodes; gives each rank's environment.

    It is served by this process, at `address` alone, for as long as the context lasts; who does not know the
    secret in the environments is refused. Consecutive ranks share a node; by default all are on this machine.
    `interface` is the network interface on which they reach each other, None that of their host names. They
    meet by Gloo, or, if they may `choose`, over MPI where Horovod is built with it and an MPI starts them.
    """
    hosts = _horovod("runner.common.util.hosts")
    slots = hosts.get_host_assignments(hosts.parse_hosts(_hosts(ranks, ranks_per_node)), ranks)
    common = {
        **({} if choose else dict.fromkeys(TRANSPORT, "gloo")),
        "HOROVOD_GLOO_TIMEOUT_SECONDS": str(MEETING_TIMEOUT_S),
        **({} if interface is None else {"HOROVOD_GLOO_IFACE": interface}),
    }
    with meeting_point(address) as place:
        yield [{**common, **place, **_slot_environment(slot)} for slot in slots]


class Ranks:
    """The running processes of one training, seen from one of them.

    Needs the HOROVOD_* environment of `rendezvous`. Every method must be called by all ranks in
    the same order. Sums are taken in a fixed order, which of more than two ranks is another over MPI, so
    equal inputs give equal bytes. Raises InputError
    when the ranks do not find each other, or a node does not know its own name.
    """

    def __init__(self) -> None:
        self._hvd = _horovod("tensorflow")
        by_mpi = self._hvd.mpi_built() and not os.environ.keys().isdisjoint(STARTED_BY_MPI)
        for name in TRANSPORT:
            os.environ.setdefault(name, "mpi" if by_mpi else "gloo")
        if os.environ[TRANSPORT[0]] == "gloo":  # MPI waits by asking again and again
            os.environ.setdefault(*CYCLE)
        require_host_name()
        self._threads = HorovodThreads()
        with self._threads.begun():
            self._hvd.init()
        self.rank: int = self._hvd.rank()
        self.size: int = self._hvd.size()
        if self.size != int(os.environ["HOROVOD_SIZE"]):
            use_gloo = " ".join(f"{name}=gloo" for name in TRANSPORT)
            raise InputError(
                f"Horovod's MPI found {counted(self.size, 'rank')} of {os.environ['HOROVOD_SIZE']}: the "
                f"command that started them is not of the MPI that it is built with; 'export {use_gloo}' in "
                "site.worker_init does without MPI"
            )

    def average(self, vector: Any) -> Any:
        """Mean over the ranks of a TensorFlow tensor, for use inside a tf.function."""
        if self.size == 1:  # Horovod would take a millisecond to find it so
            return vector
        with self.talking():
            return self._hvd.allreduce(vector, op=self._hvd.Average, name="gradients")

    def talking(self) -> AbstractContextManager[None]:
        """Run a tf.function that has `average` in it in this context: else Horovod gives way to all that
        computes."""
        return self._threads.talking()

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum over the ranks."""
        with self.talking():
            return self._hvd.allreduce(values, op=self._hvd.Sum, name="total").numpy()

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give every rank the values that rank 0 has in these Keras variables."""
        # Horovod knows tf.Variable only, which a Keras 3 variable wraps
        with self.talking():
            self._hvd.broadcast_variables([variable.value for variable in variables], root_rank=0)

    def gather(self, text: str) -> list[str]:
        """Every rank's `text`, in which there is no NUL, in the order of ranks.

        No objects are gathered: they would be unpickled, and Gloo's connections ask nobody for the secret.
        """
        mine = np.frombuffer(f"{text}\0".encode(), np.uint8)
        with self.talking():
            texts = bytes(self._hvd.allgather(mine, name="texts").numpy())
        return texts.decode().split("\0")[:-1]

    def leave(self) -> None:
        """End this rank's part; nothing may be called afterwards."""
        with self.talking():
            self._hvd.shutdown()


def _hosts(ranks: int, ranks_per_node: int | None) -> str:
    """Horovod's list of hosts; nodes go by number, which a rank gives, and not by names to be asked for."""
    if ranks_per_node is None:
        return f"localhost:{ranks}"
    return ",".join(f"node{node}:{ranks_per_node}" for node in range(ranks // ranks_per_node))


def _slot_environment(slot: Any) -> dict[str, str]:
    values = {
        "HOSTNAME": slot.hostname,
        "RANK": slot.rank,
        "SIZE": slot.size,
        "LOCAL_RANK": slot.local_rank,
        "LOCAL_SIZE": slot.local_size,
        "CROSS_RANK": slot.cross_rank,
        "CROSS_SIZE": slot.cross_size,
    }
    return {f"HOROVOD_{name}": str(value) for name, value in values.items()}


def _horovod(module: str) -> Any:
    """Import a module of Horovod only when it is needed: the launching side must not load TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return importlib.import_module(f"horovod.{module}")
    except ImportError as error:
        raise InputError(
            f"training needs Horovod built with TensorFlow and Gloo, as the README says: {error}"
        ) from None
