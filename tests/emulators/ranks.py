"""aprun and mpiexec: N ranks of a job as real processes on its virtual nodes.

All virtual nodes are this machine, so each rank is told where it is: EMULATED_NODE names its node,
EMULATED_CPUS the CPUs of that node which the real launcher would bind it to.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.emulators.command import Answer
from tests.emulators.system import System

THETA_CORES = 64
POLL_S = 0.02
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class Layout:
    """How many ranks go where. Rank r runs on node r // per_node."""

    ranks: int
    per_node: int
    nodes: list[str]
    command: list[str]

    def local_size(self, rank: int) -> int:
        return min(self.per_node, self.ranks - rank // self.per_node * self.per_node)


Identity = Callable[[Layout, int], dict[str, str]]


def aprun(system: System, argv: list[str]) -> Answer:
    """Cray's launcher under Cobalt: `aprun -n 4 -N 2 -d 32 -j 1 -cc depth -e A=B command`."""
    parser = argparse.ArgumentParser("aprun")
    parser.add_argument("-n", type=int, default=1)
    parser.add_argument("-N", type=int)
    parser.add_argument("-d", "--cpus-per-pe", type=int, default=1)
    parser.add_argument("-j", "--cpus-per-cu", type=int, default=1)
    parser.add_argument("-cc", "--cc", "--cpu-binding", default="cpu")
    parser.add_argument("-b", action="store_true")
    parser.add_argument("-q", action="store_true")
    parser.add_argument("-e", "--env", "--environment-override", action="append", default=[])
    parser.add_argument("-L", "--node-list")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(argv)
    nodes = _nodes_of_job(system, os.environ.get("COBALT_JOBID", ""))
    if nodes is None:
        return Answer(1, "", "apsched: no matching reservation\n")
    if asked.node_list:
        wanted = _expand(asked.node_list)
        nodes = [node for node in nodes if node in wanted]
    per_node = asked.N or min(asked.n, THETA_CORES * asked.cpus_per_cu // asked.cpus_per_pe)
    if asked.n > per_node * len(nodes):
        return Answer(1, "", "apsched: claim exceeds reservation's node-count\n")
    if per_node * asked.cpus_per_pe > THETA_CORES * asked.cpus_per_cu:
        return Answer(1, "", "apsched: -N value cannot exceed largest node size\n")
    apid = str(os.getpid())

    def identity(layout: Layout, rank: int) -> dict[str, str]:
        cpus = alps_cpus(rank % per_node, asked.cpus_per_pe, asked.cpus_per_cu)
        return {
            **dict(pair.split("=", 1) for pair in asked.env),
            "ALPS_APP_ID": apid,
            "ALPS_APP_PE": str(rank),
            "ALPS_APP_DEPTH": str(asked.cpus_per_pe),
            "EMULATED_CPUS": ",".join(map(str, cpus)) if asked.cc == "depth" else "all",
        }

    codes = _launch(system, Layout(asked.n, per_node, nodes, asked.command), identity, patient=True)
    told = f"Application {apid} resources: utime ~0s, stime ~0s, Rss ~0, inblocks ~0, outblocks ~0\n"
    if any(codes):
        told = f"Application {apid} exit codes: {', '.join(map(str, sorted({*codes} - {0})))}\n" + told
    return Answer(max(codes), told)


def alps_cpus(local_rank: int, depth: int, per_core: int) -> list[int]:
    """The CPUs of a KNL node that `-d depth -j per_core -cc depth` gives to a rank.

    CPU c and its siblings c + 64, c + 128, c + 192 are one core's.
    """
    slots = range(local_rank * depth, (local_rank + 1) * depth)
    return sorted(slot // per_core + THETA_CORES * (slot % per_core) for slot in slots)


def mpiexec(system: System, argv: list[str]) -> Answer:
    """PALS's launcher under PBS: `mpiexec -n 8 --ppn 4 --depth=16 --cpu-bind depth command`."""
    parser = argparse.ArgumentParser("mpiexec")
    parser.add_argument("-n", "-np", type=int, required=True)
    parser.add_argument("--ppn", "-ppn", type=int)
    parser.add_argument("--depth", "-d", type=int, default=1)
    parser.add_argument("--cpu-bind", default="none")
    parser.add_argument("--gpu-bind", default="none")
    parser.add_argument("--env", "-env", action="append", default=[])
    parser.add_argument("--envall", "--genvall", "--no-transfer", action="store_true")
    parser.add_argument("--hostfile", "-f")
    parser.add_argument("--hosts")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(argv)
    nodes = _nodes_of_job(system, os.environ.get("PBS_JOBID", "").split(".")[0])
    if nodes is None:
        return Answer(1, "", "mpiexec: no job: PBS_JOBID names none\n")
    if asked.hostfile or asked.hosts:
        wanted = Path(asked.hostfile).read_text().split() if asked.hostfile else asked.hosts.split(",")
        nodes = [node for node in nodes if node in wanted]
    per_node = asked.ppn or -(-asked.n // len(nodes))
    if asked.n > per_node * len(nodes):
        return Answer(1, "", f"mpiexec: {asked.n} ranks do not fit on {len(nodes)} nodes\n")

    def identity(layout: Layout, rank: int) -> dict[str, str]:
        local = rank % per_node
        first = local * asked.depth
        return {
            **dict(pair.split("=", 1) for pair in asked.env),
            "PMI_RANK": str(rank),
            "PMI_SIZE": str(layout.ranks),
            "PMI_LOCAL_RANK": str(local),
            "PMI_LOCAL_SIZE": str(layout.local_size(rank)),
            "PALS_RANKID": str(rank),
            "PALS_NODEID": str(rank // per_node),
            "PALS_LOCAL_RANKID": str(local),
            "PALS_LOCAL_SIZE": str(layout.local_size(rank)),
            "PALS_DEPTH": str(asked.depth),
            "EMULATED_CPUS": ",".join(map(str, range(first, first + asked.depth)))
            if asked.cpu_bind == "depth"
            else "all",
        }

    codes = _launch(system, Layout(asked.n, per_node, nodes, asked.command), identity, patient=False)
    return Answer(next((code for code in codes if code), 0))


def _nodes_of_job(system: System, job_id: str) -> list[str] | None:
    job = system.peek().jobs.get(int(job_id)) if job_id.isdigit() else None
    return job.placed if job else None


def _expand(node_list: str) -> set[str]:
    nodes: set[str] = set()
    for part in node_list.split(","):
        first, _, last = part.partition("-")
        nodes |= {str(nid) for nid in range(int(first), int(last or first) + 1)}
    return nodes


def _launch(system: System, layout: Layout, identity: Identity, *, patient: bool) -> list[int]:
    """Start the ranks and wait; exit codes by rank, 128 + the signal for those that one ended.

    A rank that dies takes the others with it; where the launcher is patient (ALPS), one that merely
    fails does not.
    """
    if not layout.command or shutil.which(layout.command[0]) is None:
        print(f"{(layout.command or [''])[0]}: command not found", flush=True)
        return [127]
    up = system.peek().nodes
    ranks: list[subprocess.Popen[bytes]] = []
    for signal_number in FORWARDED:
        signal.signal(signal_number, lambda number, _frame: _send(ranks, number))
    for rank in range(layout.ranks):
        node = layout.nodes[rank // layout.per_node]
        environment = {**os.environ, **identity(layout, rank), "EMULATED_NODE": node}
        ranks.append(subprocess.Popen(layout.command, env=environment, start_new_session=True))
        system.register_rank(node, ranks[-1].pid)
        if not up[node]:
            ranks[-1].kill()
    while None in (codes := [process.poll() for process in ranks]):
        if any(code is not None and (code < 0 or (code > 0 and not patient)) for code in codes):
            for process in ranks:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        time.sleep(POLL_S)
    return [128 - code if code < 0 else code for code in (process.wait() for process in ranks)]


def _send(ranks: list[subprocess.Popen[bytes]], number: int) -> None:
    for process in ranks:
        if process.poll() is None:
            process.send_signal(number)
