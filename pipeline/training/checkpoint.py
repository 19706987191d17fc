"""Checkpoint: the state of a training after some steps, from which it goes on as if never stopped.

The last two are kept: a damaged one is noticed, and the one before it takes its place.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.results.artifacts import install, temporary_for
from pipeline.results.attempts import fence
from pipeline.results.sealed_hdf5 import open_sealed, sealed_hdf5
from pipeline.results.unreadable import is_there
from pipeline.training.progress import Progress, Stretch

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
    precision: str | None = None
    """The Keras dtype policy; None where the program that wrote it did not say."""

    averages: dict[str, np.ndarray] | None = None
    """Of the weights over the steps, by the same names."""

    def save(self, path: Path) -> None:
        """Publish the checkpoint at `path`; the one that was there becomes `previous(path)`.

        At every moment one of the two is whole. Raises InputError when the file system refuses, also to read
        the one that is there, and Superseded when a newer attempt has begun: then both are as they were.
        """
        with temporary_for(path) as temporary:
            temporary.write_bytes(sealed_hdf5(self._write))
            with fence():
                # a damaged one must not push out the good one before it
                if self.read(path) is not None:
                    os.replace(path, previous(path))
                install({temporary: path})

    @property
    def network(self) -> dict[str, np.ndarray]:
        """The weights to be published: the averages over the steps, where they are kept."""
        return self.weights if self.averages is None else self.averages

    @classmethod
    def load(cls, path: Path, lineage: str) -> Checkpoint | None:
        """The latest checkpoint of this lineage at `path` or `previous(path)` that is whole, else None.

        Raises Unreadable.
        """
        if is_there(previous(path)) and not is_there(path):
            log.warning("checkpoint %s is missing: looking for the one before it", path)
        for found in map(cls.read, (path, previous(path))):
            if found is not None and found.lineage == lineage:
                return found
        return None

    @classmethod
    def read(cls, path: Path) -> Checkpoint | None:
        """The checkpoint in this very file if it is there, whole and finite, else None; that is logged.

        Raises Unreadable.
        """
        file = open_sealed(path)
        if file is None:
            return None
        with file:
            weights = _by_name(file["weights"])
            optimizer = [value[()] for _, value in sorted(file["optimizer"].items())]
            if not all(np.isfinite(value).all() for value in (*weights.values(), *optimizer)):
                log.warning("%s is not used: it holds weights that are NaN or infinite", path)
                return None
            return cls(
                lineage=file.attrs["lineage"],
                progress=_progress(file),
                weights=weights,
                optimizer=optimizer,
                log_entries=json.loads(file["log"].asstr()[()]),
                precision=file.attrs.get("precision"),
                averages=_by_name(file["averages"]) if "averages" in file else None,
            )

    def _write(self, file: h5py.File) -> None:
        file.attrs["lineage"] = self.lineage
        if self.precision is not None:
            file.attrs["precision"] = self.precision
        file["progress"] = self.progress.to_json()
        file.attrs["steps"] = self.progress.steps  # for people
        file["log"] = json.dumps(list(self.log_entries))
        for group, arrays in (("weights", self.weights), ("averages", self.averages or {})):
            for name, value in arrays.items():
                file[f"{group}/{name}"] = value
        for index, value in enumerate(self.optimizer):
            file[f"optimizer/{index:04d}"] = value


def _progress(file: h5py.File) -> Progress:
    if "progress" in file:
        return Progress.from_json(file["progress"].asstr()[()])
    # as it was written before checkpoints could fall into a round
    history = tuple(Stretch(*stretch) for stretch in json.loads(file.attrs["history"]))
    return Progress(int(file.attrs["rounds"]), int(file.attrs["steps"]), history)


def _by_name(group: h5py.Group) -> dict[str, np.ndarray]:
    """The arrays of a group of layers, `conv3_a/kernel` and so on."""
    return {
        f"{layer}/{name}": value[()]
        for layer, variables in group.items()
        for name, value in variables.items()
    }


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept: `checkpoint.previous.h5`."""
    return path.with_stem(path.stem + ".previous")
