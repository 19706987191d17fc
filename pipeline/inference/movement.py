"""Where the FOV goes next while one object is flooded."""

from __future__ import annotations

from collections import deque

import numpy as np

from pipeline.ffn.flood_rules import face_maxima, visited_cell
from pipeline.geometry import Triple


class FaceMaxMovement:
    """A queue of FOV centres, first in first out, that visits no neighbourhood twice.

    After each network call the strongest voxel of each face of the cuboid at +-`deltas` around the FOV's
    centre is queued, if its logit reaches `threshold`; strongest faces first. A position counts
    as visited when another of the same cell was (Januszewski et al. 2018).
    """

    def __init__(self, seed: Triple, deltas: Triple, threshold: float) -> None:
        self._seed = seed
        self._deltas = deltas
        self._threshold = threshold
        self._queue: deque[Triple] = deque([seed])
        self._visited: set[Triple] = set()

    def pop(self) -> Triple | None:
        """The next position of a cell not yet visited, or None when there is none."""
        while self._queue:
            position = self._queue.popleft()
            if self._cell(position) not in self._visited:
                return position
        return None

    def update(self, position: Triple, logits: np.ndarray) -> None:
        """Note that the FOV was at `position` and queue where its new POM `logits` leads."""
        self._visited.add(self._cell(position))
        z, y, x = position
        for _, (dz, dy, dx) in sorted(face_maxima(logits, self._deltas, self._threshold), reverse=True):
            self._queue.append((z + dz, y + dy, x + dx))

    def _cell(self, position: Triple) -> Triple:
        (z, y, x), (z0, y0, x0) = position, self._seed
        return visited_cell((z - z0, y - y0, x - x0), self._deltas)
