"""When data that are spread over many files were changed: it costs the same for a hundred and for 10^7.

The files that describe the data are read, and of those that hold it 64, spread over the whole, are looked at.
It notices another volume, another copy and a volume written anew; it does not notice a change in
chunks that are not among the 64. `--verify` does not read inputs either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pipeline.volumes.address import Where

SAMPLED = 64


def sampled_stamp(where: Where, described_by: Iterable[Where], data: Iterable[Where]) -> str:
    """The absolute path of a volume, and a digest of what describes it and of its files `data`.

    Files in `described_by` count with their content, those in `data` with name, size and time of change;
    that one is not there counts too. Choose SAMPLED of them. Elsewhere those in `data` are not looked at:
    what they hold is read at each start.
    """
    digest = hashlib.sha256()
    for path in described_by:
        digest.update(f"{path.name}\n".encode() + (path.read_bytes() if path.is_file() else b"absent"))
    for path in data:
        if isinstance(path, Path):
            digest.update(f"{path.name} {_stamp(path)}\n".encode())
    return f"{where.resolve()} {digest.hexdigest()}"


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns}"
