"""A cheap identity of data that is spread over many files: it costs the same for a hundred and for 10^7.

The files that describe the data are read, and of those that hold it 64, spread over the whole, are looked at.
It notices another volume, another copy and a volume written anew; it does not notice a change in
chunks that are not among the 64. `--verify` does not read inputs either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

SAMPLED = 64

Item = TypeVar("Item")


def sampled_identity(where: Path, described_by: Iterable[Path], data: Iterable[Path]) -> str:
    """The absolute path of a volume, and a digest of what describes it and of its files `data`.

    Files in `described_by` count with their content, those in `data` with name, size and time of change;
    that one is not there counts too. Choose few `data`: `spread` does.
    """
    digest = hashlib.sha256()
    for path in described_by:
        digest.update(f"{path.name}\n".encode() + (path.read_bytes() if path.is_file() else b"absent"))
    for path in data:
        digest.update(f"{path.name} {_stamp(path)}\n".encode())
    return f"{where.resolve()} {digest.hexdigest()}"


def spread(items: Sequence[Item], count: int = SAMPLED) -> list[Item]:
    """At most `count` items, evenly spread, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[i * (len(items) - 1) // (count - 1)] for i in range(count)]


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns}"
