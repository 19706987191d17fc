"""HDF5 files that prove whole before HDF5, which can crash on a damaged one, sees a byte of them.

A header of 512 bytes, which HDF5 skips, holds the SHA-256 of all that follows it.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable
from pathlib import Path

import h5py

from pipeline.results.unreadable import read_if_there

HEADER_BYTES = 512
"""The smallest user block that HDF5 knows."""

log = logging.getLogger(__name__)


def sealed_hdf5(fill: Callable[[h5py.File], None]) -> bytes:
    """The bytes of a file that `fill` has written to, with their seal.

    Made in memory, so that a full disk is met by a plain write and not somewhere inside HDF5.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=HEADER_BYTES) as file:
        fill(file)
    body = buffer.getvalue()[HEADER_BYTES:]
    return _header(body) + body


def open_sealed(path: Path) -> h5py.File | None:
    """The file at `path`, opened for reading, if it is there and whole, else None; damage is logged.

    Raises Unreadable.
    """
    content = read_sealed(path)
    return None if content is None else h5py.File(io.BytesIO(content), "r")


def read_sealed(path: Path) -> bytes | None:
    """The bytes at `path` if they are those that were written, else None; damage is logged.

    Raises Unreadable.
    """
    content = read_if_there(path)
    if content is None:
        return None
    if content[:HEADER_BYTES] != _header(content[HEADER_BYTES:]):
        log.warning("%s is not used: it is torn or changed, its SHA-256 does not fit", path)
        return None
    return content


def _header(body: bytes) -> bytes:
    text = f"SHA-256 of what follows these {HEADER_BYTES} bytes: {hashlib.sha256(body).hexdigest()}\n"
    return text.encode().ljust(HEADER_BYTES, b"\0")
