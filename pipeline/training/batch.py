"""Batch: the FOVs that one step of training shows to the network."""

from __future__ import annotations

from collections import deque

import numpy as np

from pipeline.geometry import Triple
from pipeline.training.examples import FovStream


class Batch:
    """The FOVs of one step, as the arrays that the network takes; all streams take turns in giving them."""

    def __init__(self, streams: list[FovStream], size: int, fov: Triple) -> None:
        self._waiting = deque((stream, next(stream)) for stream in streams)
        self._shown: list[FovStream] = []
        self.centres: list[Triple] = []
        self.inputs = np.empty((size, *fov, 2), np.float32)
        self.labels = np.empty((size, *fov, 1), np.float32)
        self._show()

    def advance(self, pom: np.ndarray) -> None:
        """Give the streams shown their updated POM, (batch, z, y, x, 1) logits, and show the next ones."""
        for slot, stream in enumerate(self._shown):
            self._waiting.append((stream, stream.send(pom[slot, ..., 0])))
        self._show()

    def _show(self) -> None:
        self._shown, self.centres = [], []
        for slot in range(len(self.inputs)):
            stream, fov = self._waiting.popleft()
            self._shown.append(stream)
            self.centres.append(fov.centre)
            self.inputs[slot, ..., 0] = fov.image
            self.inputs[slot, ..., 1] = fov.pom
            self.labels[slot, ..., 0] = fov.labels
