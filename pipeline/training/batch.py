"""Batch: the FOVs that one step of training shows to the network."""

from __future__ import annotations

from collections import deque

import numpy as np

from pipeline.geometry import Triple
from pipeline.training.example import Fov, FovStream, Place


class Batch:
    """The FOVs of one step, as the arrays that the network takes; all streams take turns in giving them."""

    def __init__(self, streams: list[FovStream], size: int, fov: Triple) -> None:
        self._waiting = deque((index, stream, next(stream)) for index, stream in enumerate(streams))
        self._shown: list[tuple[int, FovStream, Fov]] = []
        self._fov = fov
        self.centres: list[Place] = []
        self.resize(size)

    def advance(self, pom: np.ndarray) -> None:
        """Give the streams shown their updated POM, (batch, z, y, x, 1) logits, and show the next ones."""
        for slot, (index, stream, _) in enumerate(self._shown):
            self._waiting.append((index, stream, stream.send(pom[slot, ..., 0])))
        self._show()

    def resize(self, size: int) -> None:
        """Show so many FOVs from now on: those that are shown now are among them, or the first to come."""
        self._waiting.extendleft(reversed(self._shown))
        self.inputs = np.empty((size, *self._fov, 2), np.float32)
        self.labels = np.empty((size, *self._fov, 1), np.float32)
        self._show()

    @property
    def order(self) -> list[int]:
        """Which stream's turn it is, and whose come after it, by their places among `streams`."""
        return [index for index, _, _ in self._shown] + [index for index, _, _ in self._waiting]

    def _show(self) -> None:
        self._shown, self.centres = [], []
        for slot in range(len(self.inputs)):
            index, stream, fov = self._waiting.popleft()
            self._shown.append((index, stream, fov))
            self.centres.append(fov.centre)
            self.inputs[slot, ..., 0] = fov.image
            self.inputs[slot, ..., 1] = fov.pom
            self.labels[slot, ..., 0] = fov.labels
