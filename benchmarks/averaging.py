"""What it costs two ranks on this machine to average vectors of several sizes; the last line is JSON.

    python benchmarks/averaging.py

Each rank has a core of its own and nothing else to do: it is what Horovod adds to every step of a training.
`ms` is the median time of one average by how many float32 it has, `cpu_ms` what all threads of a rank spend
in it. `tcp_round_trip_ms` is a byte's way to another process on the other core and back.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from typing import Any

from pipeline.machine.processor import processor
from pipeline.training.ranks.horovod_ranks import Ranks, rendezvous

SIZES = (16, 1_000, 62_000, 660_000)
"""Two small ones, the weights of the demo's network and of the published one."""

RANKS = 2
RANK = "rank"


def as_rank(times: int) -> None:
    """Average, and print what it took, as rank 0."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    ranks = Ranks()
    found: dict[str, dict[int, float]] = {"ms": {}, "cpu_ms": {}}
    for size in SIZES:
        vector = tf.ones([size])
        for _ in range(10):
            ranks.average(vector).numpy()
        took, cpu_s = [], time.process_time()
        for _ in range(times):
            began = time.perf_counter()
            ranks.average(vector).numpy()
            took.append(1e3 * (time.perf_counter() - began))
        found["ms"][size] = round(statistics.median(took), 2)
        found["cpu_ms"][size] = round(1e3 * (time.process_time() - cpu_s) / times, 2)
    if ranks.rank == 0:
        print(json.dumps(found))
    ranks.leave()


def of_ranks(times: int, cores: list[int]) -> dict[str, Any]:
    """What rank 0 says; each rank is on one of `cores`."""
    with rendezvous(RANKS) as environments:
        processes = [
            subprocess.Popen(
                ["taskset", "-c", str(core), sys.executable, __file__, RANK, "--times", str(times)],
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                text=True,
            )
            for core, environment in zip(cores, environments)
        ]
        said = [process.communicate()[0] for process in processes]
    return dict(json.loads(said[0].splitlines()[-1]))


def round_trip_ms(times: int, cores: list[int]) -> float:
    """Median time of a byte to a process on the other core and back, by TCP, a millisecond after the last."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if os.fork() == 0:
            os.sched_setaffinity(0, cores[1:2])
            with socket.create_connection(server.getsockname()) as echo:
                echo.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while byte := echo.recv(1):
                    echo.send(byte)
            os._exit(0)
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores[:1])
        took = []
        with server.accept()[0] as there:
            there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(times):
                time.sleep(0.001)
                began = time.perf_counter()
                there.send(b"x")
                there.recv(1)
                took.append(1e3 * (time.perf_counter() - began))
        os.wait()
        os.sched_setaffinity(0, own)
    return round(statistics.median(took), 3)


def main() -> None:
    """Print all figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=300, help="how often each size is averaged")
    parser.add_argument("part", nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == RANK:
        as_rank(options.times)
        return
    cores = sorted(os.sched_getaffinity(0))[:RANKS]
    if len(cores) < RANKS:
        parser.error(f"{RANKS} ranks need as many cores; this process may use {len(cores)}")
    found = of_ranks(options.times, cores)
    found["tcp_round_trip_ms"] = round_trip_ms(options.times, cores)
    print(json.dumps({"processor": processor(), "ranks": RANKS, **found}))


if __name__ == "__main__":
    main()
