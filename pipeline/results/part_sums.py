"""Sums of the parts of a file, kept in it: what is made of a few parts is identified by these alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import h5py
import numpy as np

from pipeline.results.artifacts import Artifact
from pipeline.results.hdf5_file import reading_hdf5

NAME, SUM_BYTES = "part sums", 32


def sum_of(*arrays: np.ndarray) -> bytes:
    """SHA-256 of what the arrays hold, in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.digest()


def write_sums(file: h5py.File, sums: Iterable[bytes]) -> None:
    """Add the sums of all parts, in their order, to the file that holds them."""
    file[NAME] = np.frombuffer(b"".join(sums), np.uint8).reshape(-1, SUM_BYTES)


def read_sums(file: h5py.File) -> np.ndarray:
    """What `write_sums` wrote, uint8 (parts, 32). Raises KeyError where there is nothing."""
    return np.asarray(file[NAME][()])


def identity_of(artifact: Artifact, parts: Iterable[int]) -> str:
    """What stays as it is as long as the file holds the same in these parts, by their numbers.

    Of a file that is not there, or has no sums of these parts, as that of an earlier state of a run, it is
    the SHA-256 of all of it. Raises Unreadable.
    """
    try:
        sums = _sums_in(artifact)[list(parts)]
    except (OSError, KeyError, IndexError):  # asked again next time: it may have been repaired
        return artifact.sha256
    return hashlib.sha256(sums.tobytes()).hexdigest()


@lru_cache(maxsize=4)
def _sums_in(artifact: Artifact) -> np.ndarray:
    """Those of all parts: read once for all that a process asks about."""
    with reading_hdf5(artifact.path) as file:
        return read_sums(file)
