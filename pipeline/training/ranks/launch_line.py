"""Run one command line that starts the ranks on their nodes, and find out what became of them."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.errors import InputError
from pipeline.machine.gpus import SHARED_OUT
from pipeline.machine.own import module_command
from pipeline.machine.sockets import socket_folder
from pipeline.results.artifacts import open_anew, remove
from pipeline.training.ranks.horovod_ranks import rendezvous
from pipeline.training.ranks.launched_rank import Launch, launch_file, status_file
from pipeline.training.ranks.rank import REFUSED
from pipeline.training.ranks.rank_processes import RankError, RankLost, end_of, lost_a_peer

GRACE_S = 40.0
"""Longer than Slurm's KillWait, 30 s unless set otherwise, after which srun's ranks are killed."""


@dataclass(frozen=True)
class LaunchLine:
    """A command line that starts `ranks` processes, and what they must be told."""

    command: Sequence[str]
    environment: Mapping[str, str]
    ranks: int
    ranks_per_node: int
    rank_variables: Sequence[str]
    interface: str | None
    gpus: str = ""
    """The GPU of each rank of a node, as gpus.share_out says it."""


def run_line(line: LaunchLine, run_folder: Path) -> None:
    """Start the ranks and wait for them; raises as `Launcher.run` does.

    The line's own output goes to logs/training/launch.log. The ranks end with this process.
    """
    logs = launch_file(run_folder).parent
    _clear(logs)
    address = address_of(line.interface, line.ranks // line.ranks_per_node)
    meeting = rendezvous(line.ranks, line.ranks_per_node, address, line.interface, choose=True)
    with meeting as meetings:
        environments = [{**meeting, SHARED_OUT: line.gpus} for meeting in meetings]
        Launch(environments, line.rank_variables).save(launch_file(run_folder))
        status = _run(line, logs / "launch.log")
    if status:
        raise _failure(status, line.ranks, logs)


def address_of(interface: str | None, nodes: int) -> str:
    """This node's IPv4 address on a network interface, or that of its host name, for ranks on so many nodes.

    Raises InputError where there is none, or one that other nodes would take for their own.
    """
    if interface is None:
        return _address_by_name(nodes)
    known = psutil.net_if_addrs()
    for entry in known.get(interface, []):
        if entry.family == socket.AF_INET:
            return entry.address
    raise InputError(
        f"site.interface: {socket.gethostname()} has no network interface {interface!r} with an IPv4 "
        f"address; it has {', '.join(sorted(known))}"
    )


def _address_by_name(nodes: int) -> str:
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = "no IPv4 address"
    if not address[:1].isdigit() or (nodes > 1 and address.startswith("127.")):
        raise InputError(
            f"the name of node {name} stands for {address} there, and ranks could not meet: set "
            "site.interface to the network interface on which nodes reach each other (`ip -4 address` lists "
            "them)"
        )
    return address


def _run(line: LaunchLine, log: Path) -> int:
    """The line's exit status; it is told to end when this process dies, or leaves by an exception."""
    # mpiexec has sockets among the temporary files
    temporary = {"TMPDIR": str(socket_folder()), "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, **temporary, **line.environment}
    tied = module_command("pipeline.machine.processes", str(os.getpid()), *line.command)
    with open_anew(log) as output:
        process = subprocess.Popen(
            tied, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        return process.wait()
    finally:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _clear(logs: Path) -> None:
    """Remove what the ranks of an earlier launch left to be read."""
    for pattern in ("rank_*.log", "rank_*.status"):
        for path in logs.glob(pattern):
            remove(path)


def _failure(status: int, ranks: int, logs: Path) -> Exception:
    """Why a line ended with a status other than 0.

    A rank that leaves a status ended by itself. When all of these failed because a peer was gone, one of
    the others was killed.
    """
    statuses = {rank: _status(logs, rank) for rank in range(ranks)}
    refused = next(((rank, REFUSED[ended]) for rank, ended in statuses.items() if ended in REFUSED), None)
    if refused is not None:
        rank, kind = refused
        return kind(end_of(_log(logs, rank), 1))
    failed = [rank for rank, ended in statuses.items() if ended]
    at_fault = [rank for rank in failed if not lost_a_peer(logs / f"rank_{rank}.log")]
    silent = [rank for rank, ended in statuses.items() if ended is None and _log(logs, rank).exists()]
    if at_fault or not silent:
        return _quoting(RankError, status, logs, (at_fault or failed)[:1], "failed")
    return _quoting(RankLost, status, logs, silent, "ended without a word: killed, or lost with a node")


def _quoting(kind: type[RankError], status: int, logs: Path, ranks: list[int], what: str) -> RankError:
    who = f"training rank {', '.join(map(str, ranks))} {what}" if ranks else "no training rank was started"
    quoted = [logs / "launch.log", *(_log(logs, rank) for rank in ranks[:1])]
    ends = [f"the end of {log}:\n{end_of(log)}" for log in quoted]
    return kind("\n".join([f"{who}; the launch line ended with status {status}", *ends]))


def _status(logs: Path, rank: int) -> int | None:
    try:
        return int(status_file(logs, rank).read_text())
    except (OSError, ValueError):
        return None


def _log(logs: Path, rank: int) -> Path:
    return logs / f"rank_{rank}.log"
