"""Checkpoint: the state of a training after some steps, from which it goes on as if never stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.artifacts import publishing


@dataclass(frozen=True)
class Checkpoint:
    """Weights by name, the optimiser's variables in its own order, and how far the training is."""

    steps: int
    fovs_seen: int
    weights: dict[str, np.ndarray]
    optimizer: list[np.ndarray]

    def save(self, path: Path, fingerprint: str) -> None:
        """Publish the checkpoint at `path`, replacing the previous one in one step."""
        with publishing(path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs.update(steps=self.steps, fovs_seen=self.fovs_seen, fingerprint=fingerprint)
            for name, value in self.weights.items():
                file[f"weights/{name}"] = value
            for index, value in enumerate(self.optimizer):
                file[f"optimizer/{index:04d}"] = value

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> Checkpoint | None:
        """The checkpoint at `path` if it is of the training with this fingerprint, else None."""
        try:
            with h5py.File(path, "r") as file:
                if file.attrs["fingerprint"] != fingerprint:
                    return None
                weights = {
                    f"{layer}/{name}": value[()]
                    for layer, variables in file["weights"].items()
                    for name, value in variables.items()
                }
                optimizer = [value[()] for _, value in sorted(file["optimizer"].items())]
                return cls(int(file.attrs["steps"]), int(file.attrs["fovs_seen"]), weights, optimizer)
        except (OSError, KeyError):
            return None  # none yet, or not one of ours: the training starts anew
