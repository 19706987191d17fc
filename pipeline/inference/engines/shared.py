"""An engine that is one for all workers that use the same GPU: batches of FOVs from many tiles.

One FOV at a time leaves a GPU idle most of the time. A tile asks for its next FOV only when it knows the
update of the last, so a batch needs several tiles. Workers flood them in processes of their own; what they
share is the process that runs the network (pipeline.inference.engines.batches).
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import pickle
import subprocess
import time
from multiprocessing.connection import Client, Connection

import numpy as np

from pipeline.inference.engines import Loading
from pipeline.machine.own import module_command
from pipeline.machine.private_folder import private_folder
from pipeline.results.attempts.fencing import ATTEMPT, RUN
from pipeline.results.attempts.locks import lock

DEVICES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
"""The environment variables that give a worker its GPU."""

START_S = 120.0
TRIES = 3

log = logging.getLogger(__name__)


class SharedEngine:
    """Sends FOVs to the process that runs the network for this run and device; the first starts it.

    Where that process was killed another is started, and asked the same.
    """

    def __init__(self, what: Loading) -> None:
        self._what = what
        self._connect()

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """See Engine; n is 1 here, the batch is made elsewhere."""
        for _ in range(TRIES):
            try:
                self._connection.send_bytes(fovs.data)
                answer = self._connection.recv_bytes()
                break
            except (EOFError, OSError):
                log.warning("the process that ran the network has gone; another is started")
                self._connect()
        else:
            raise RuntimeError(f"the process that runs the network ended {TRIES} times during one call")
        if len(answer) != fovs.nbytes // 2:
            raise pickle.loads(answer)
        return np.frombuffer(answer, np.float32).reshape(*fovs.shape[:-1], 1)

    def _connect(self) -> None:
        """Raises what went wrong when the network was loaded, such as InputError."""
        for _ in range(TRIES):
            try:
                self._connection = connect(self._what)
                hello = self._connection.recv()
                break
            except (EOFError, ConnectionError):
                continue  # it was just about to end with its last client
        else:
            raise RuntimeError("the process that runs the network ends as soon as it has begun")
        if isinstance(hello, Exception):
            raise hello
        self.name, self.precision = hello


def connect(what: Loading) -> Connection:
    """A connection to the process that has loaded `what`, or is about to; started if there is none.

    What it says is unpickled: its socket is where nobody else could have put one.
    """
    folder = private_folder()
    address = str(folder / f"{_key(what)}.network")
    with open(folder / "starting", "w") as turn:
        lock(turn.fileno(), fcntl.LOCK_EX)
        try:
            return Client(address, "AF_UNIX")
        except (FileNotFoundError, ConnectionRefusedError):
            return _start(address, what)


def _start(address: str, what: Loading) -> Connection:
    command = module_command("pipeline.inference.engines.batches")
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin
    with process.stdin as stdin:
        stdin.write(pickle.dumps((address, what)))
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return Client(address, "AF_UNIX")
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.05)
    raise RuntimeError(f"{' '.join(command)} did not start: exit code {process.poll()}")


def _key(what: Loading) -> str:
    """A name for the network loaded, the device, and the attempt that uses it."""
    places = {name: os.environ.get(name) for name in (RUN, ATTEMPT, *DEVICES)}
    return hashlib.sha256(f"{what} {places}".encode()).hexdigest()[:16]
