"""The process that runs one network for several workers, on batches of what they ask for.

The module is started by pipeline.inference.engines.shared and ends with
its last client. While the network computes one batch, the next is filled: the clients' own work, each in its
own process, hides behind the network.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, wait

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.inference.engines import Engine, Loading, load

PATIENCE_S = 0.005
"""How long the next batch waits for clients that have just been answered. Who takes longer for the next FOV
is busy with something else, as writing a tile. What comes out does not depend on it."""

FIRST_CLIENT_S = 60.0
"""How long there may be no client at first: the one that started this process may have been killed."""


class Batch:
    """FOVs of some clients, in an array of a fixed size, the rest of which does not matter."""

    def __init__(self, size: int, fov: Triple) -> None:
        self.fovs = np.zeros((size, *fov, 2), np.float32)
        self.clients: list[Connection] = []
        self.answered_s = 0.0

    @property
    def is_full(self) -> bool:
        return len(self.clients) == len(self.fovs)

    def receive(self, client: Connection) -> None:
        """Add the FOV that a client sends. Raises EOFError or OSError when it has gone."""
        client.recv_bytes_into(self.fovs[len(self.clients)].reshape(-1))
        self.clients.append(client)

    def answer(self, engine: Engine) -> None:
        """Run the network and send each client its update, (z, y, x) float32, or the error."""
        try:
            answers = [update[..., 0].tobytes() for update in engine.predict(self.fovs)]
        except Exception as error:
            answers = [pickle.dumps(portable(error))] * len(self.clients)
        for client, answer in zip(self.clients, answers):
            with suppress(OSError):  # it has gone; that is noticed when it is listened to
                client.send_bytes(answer)
        self.answered_s = time.monotonic()


def portable(error: Exception) -> Exception:
    """The error, or one that says the same and is sure to be understood by a client without this network."""
    if isinstance(error, (InputError, MemoryError)):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def check_independence(engine: Engine, size: int, fov: Triple) -> None:
    """Raise InputError unless a FOV has the same update whatever its place and its neighbours in a batch."""
    one, other, third = np.random.default_rng(0).normal(size=(3, size, *fov, 2)).astype(np.float32)
    alone = engine.predict(one).copy()
    for beside, odd in ((other, 0), (third, 1)):
        moved = np.arange(odd, size, 2)
        beside[moved] = one[moved - 1]  # each one place on, between strangers
        if not np.array_equal(engine.predict(beside)[moved], alone[moved - 1], equal_nan=True):
            raise InputError(
                f"inference.batch is {size}, but on {engine.name} in {engine.precision} what comes out for a "
                "FOV depends on the others in its batch or its place there; a result that can be repeated "
                "needs inference.batch: 1"
            )


class Server:
    """Answers clients that come to the socket `door`, until the last of them has gone."""

    def __init__(self, door: socket.socket, engine: Engine, size: int, fov: Triple) -> None:
        self._door = door
        self._engine = engine
        self._clients: set[Connection] = set()
        self._filling, self._computing = Batch(size, fov), Batch(size, fov)
        self._done: Future[None] = Future()
        self._done.set_result(None)
        self._bell, self._rope = socket.socketpair()

    def run(self) -> None:
        """Serve; without any client at all, for a minute."""
        with ThreadPoolExecutor(1) as network:
            self._listen(FIRST_CLIENT_S)
            while self._clients:
                patience_s = self._patience_s()
                if patience_s == 0:
                    self._filling, self._computing = self._computing, self._filling
                    self._filling.clients = []
                    self._done = network.submit(self._computing.answer, self._engine)
                    self._done.add_done_callback(lambda _: self._rope.send(b"x"))
                else:
                    self._listen(patience_s)

    def _idle_clients(self) -> set[Connection]:
        """Those that do not wait for an answer."""
        answered = self._done.done()
        return self._clients - {*self._filling.clients, *(() if answered else self._computing.clients)}

    def _patience_s(self) -> float | None:
        """How long to listen before the batch goes: 0: it goes now; None: until something happens."""
        if not self._filling.clients or not self._done.done():
            return None
        late = self._idle_clients().intersection(self._computing.clients)
        if self._filling.is_full or not late:
            return 0
        return max(0, self._computing.answered_s + PATIENCE_S - time.monotonic())

    def _listen(self, timeout_s: float | None) -> None:
        """Take in one thing or several: a new client, a FOV, the end of a client or of a computation."""
        speakers = set() if self._filling.is_full else self._idle_clients()
        for heard in wait([self._door, self._bell, *speakers], timeout_s):
            if heard is self._door:
                client = Connection(self._door.accept()[0].detach())
                client.send((self._engine.name, self._engine.precision))
                self._clients.add(client)
            elif heard is self._bell:
                self._bell.recv(1)
            elif isinstance(heard, Connection) and not self._filling.is_full:
                self._hear(heard)

    def _hear(self, client: Connection) -> None:
        try:
            self._filling.receive(client)
        except (EOFError, OSError):
            self._clients.discard(client)
            client.close()


def main() -> None:
    """Load the network that standard input describes, and serve it."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        # Workers that are told to end still want an answer to the call in hand, and their end is its own.
        signal.signal(signum, signal.SIG_IGN)
    address, what = pickle.load(sys.stdin.buffer)
    with suppress(FileNotFoundError):
        os.unlink(address)  # of one that was killed, in this attempt: its number is part of the name
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        try:
            _serve(door, what)
        finally:
            os.unlink(address)  # before the door closes: who comes now starts another one


def _serve(door: socket.socket, what: Loading) -> None:
    try:
        engine = load(what)
        check_independence(engine, what.batch, what.network.fov)
    except Exception as error:
        _refuse(door, error)
    else:
        Server(door, engine, what.batch, what.network.fov).run()


def _refuse(door: socket.socket, error: Exception) -> None:
    """Tell everyone who waits why there is no network."""
    door.settimeout(1.0)
    with suppress(TimeoutError):
        while True:
            Connection(door.accept()[0].detach()).send(portable(error))


if __name__ == "__main__":
    main()
