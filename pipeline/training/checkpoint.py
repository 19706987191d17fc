"""Checkpoint: the state of a training after some rounds, from which it goes on as if never stopped.

The file is HDF5 behind a header of 512 bytes that holds the SHA-256 of the rest. The last two are
kept: a damaged one is noticed before HDF5, which can crash on it, sees a byte of it, and the one
before it takes its place.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.artifacts import publishing
from pipeline.training.progress import Progress, Stretch

HEADER_BYTES = 512
"""The smallest user block that HDF5 knows."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Weights by name, the optimiser's variables in its own order, how far it is and what was logged.

    `lineage` is the fingerprint of what may not change while the training is under way.
    """

    lineage: str
    progress: Progress
    weights: dict[str, np.ndarray]
    optimizer: Sequence[np.ndarray]
    log_entries: Sequence[dict[str, Any]] = ()
    """What the training log says up to here: the log's file need not be trusted."""

    def save(self, path: Path) -> None:
        """Publish the checkpoint at `path`; the one that was there becomes `previous(path)`.

        At every moment one of the two is whole. Raises InputError when the file system refuses.
        """
        with publishing(path) as temporary:
            temporary.write_bytes(self._as_bytes())
            # a damaged one must not push out the good one before it
            if _read_whole(path) is not None:
                os.replace(path, previous(path))

    @classmethod
    def load(cls, path: Path, lineage: str) -> Checkpoint | None:
        """The latest checkpoint of this lineage at `path` or `previous(path)` that is whole, else None."""
        if previous(path).exists() and not path.exists():
            log.warning("checkpoint %s is missing: looking for the one before it", path)
        for found in map(cls.read, (path, previous(path))):
            if found is not None and found.lineage == lineage:
                return found
        return None

    @classmethod
    def read(cls, path: Path) -> Checkpoint | None:
        """The checkpoint in this very file if it is there and whole, else None; damage is logged."""
        content = _read_whole(path)
        return None if content is None else cls._from_bytes(content)

    def _as_bytes(self) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", userblock_size=HEADER_BYTES) as file:
            file.attrs["lineage"] = self.lineage
            file.attrs["rounds"] = self.progress.rounds
            file.attrs["steps"] = self.progress.steps
            file.attrs["history"] = json.dumps([astuple(stretch) for stretch in self.progress.history])
            file["log"] = json.dumps(list(self.log_entries))
            for name, value in self.weights.items():
                file[f"weights/{name}"] = value
            for index, value in enumerate(self.optimizer):
                file[f"optimizer/{index:04d}"] = value
        body = buffer.getvalue()[HEADER_BYTES:]
        return _header(body) + body

    @classmethod
    def _from_bytes(cls, content: bytes) -> Checkpoint:
        with h5py.File(io.BytesIO(content), "r") as file:
            history = tuple(Stretch(*stretch) for stretch in json.loads(file.attrs["history"]))
            weights = {
                f"{layer}/{name}": value[()]
                for layer, variables in file["weights"].items()
                for name, value in variables.items()
            }
            return cls(
                lineage=file.attrs["lineage"],
                progress=Progress(int(file.attrs["rounds"]), int(file.attrs["steps"]), history),
                weights=weights,
                optimizer=[value[()] for _, value in sorted(file["optimizer"].items())],
                log_entries=json.loads(file["log"].asstr()[()]),
            )


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept: `checkpoint.previous.h5`."""
    return path.with_stem(path.stem + ".previous")


def _header(body: bytes) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    text = f"FFN training checkpoint 1\nSHA-256 of what follows the header: {digest}\n"
    return text.encode().ljust(HEADER_BYTES, b"\0")


def _read_whole(path: Path) -> bytes | None:
    """The file's bytes if they are those that were written, else None."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("checkpoint %s is not used: it cannot be read (%s)", path, error.strerror or error)
        return None
    if content[:HEADER_BYTES] != _header(content[HEADER_BYTES:]):
        log.warning("checkpoint %s is not used: it is torn or changed, its SHA-256 does not fit", path)
        return None
    return content
