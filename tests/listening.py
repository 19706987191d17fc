"""What listens while a run is at work: every socket of its processes that others can connect or send to."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

LISTEN, UDP_BOUND = "0A", "07"  # from <linux/tcp_states.h>
UNIX_LISTENS = 0x10000  # __SO_ACCEPTCON
TABLES = {"tcp": LISTEN, "tcp6": LISTEN, "udp": UDP_BOUND, "udp6": UDP_BOUND}
EVERY_S = 0.3

PRIVATE = "a Unix socket in a folder that only its user can enter"


@dataclass(frozen=True)
class Listening:
    """A listening socket: an IP address, PRIVATE, or the path of another Unix socket; and who has it."""

    where: str
    who: str


@contextmanager
def watching(processes: Callable[[], Iterable[psutil.Process]]) -> Iterator[set[Listening]]:
    """A set to which is added, until the context ends, whatever those processes are seen listening on."""
    found: set[Listening] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY_S):
            found.update(listening(processes()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def assert_nobody_else_can_reach(found: set[Listening], seen: Sequence[str]) -> None:
    """Everything is at 127.0.0.1 or PRIVATE; and the words in `seen`, of command lines, are among it."""
    assert {one.where for one in found} == {"127.0.0.1", PRIVATE}, found
    for words in seen:
        assert any(words in one.who for one in found), f"{words} was not seen: {found}"


def listening(processes: Iterable[psutil.Process]) -> set[Listening]:
    """The listening sockets of these processes, without those that end meanwhile."""
    known = {**_internet(), **_unix()}
    found: set[Listening] = set()
    for process in processes:
        try:
            who = " ".join(process.cmdline())
            found.update(Listening(known[inode], who) for inode in _inodes(process.pid) & known.keys())
        except (OSError, psutil.Error):
            continue
    return found


def _internet() -> dict[int, str]:
    known = {}
    for table, state in TABLES.items():
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == state:
                known[int(words[9])] = str(_address(words[1].split(":")[0]))
    return known


def _address(digits: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel writes addresses as words of 32 bits in the order of the machine."""
    words = [int(digits[i : i + 8], 16) for i in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(socket.htonl(word).to_bytes(4, "big") for word in words))
    return getattr(address, "ipv4_mapped", None) or address


def _unix() -> dict[int, str]:
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return {
        int(row[6]): PRIVATE if _is_private(Path(row[7])) else row[7]
        for row in rows
        if int(row[3], 16) & UNIX_LISTENS and len(row) > 7
    }


def _is_private(path: Path) -> bool:
    try:
        status = path.parent.stat()
    except OSError:  # an abstract socket, which everybody can connect to, or one whose folder has just gone
        return path.is_absolute()
    return path.is_absolute() and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _inodes(pid: int) -> set[int]:
    return {int(name) for name in _sockets(Path(f"/proc/{pid}/fd"))}


def _sockets(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        try:
            target = os.readlink(path)
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]
