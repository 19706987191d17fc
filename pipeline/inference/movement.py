"""Where the FOV goes next while one object is flooded."""

from __future__ import annotations

from collections import deque

import numpy as np

from pipeline.geometry import Triple


class FaceMaxMovement:
    """A queue of FOV centres, first in first out, that visits no neighbourhood twice.

    After each network call the strongest voxel of each face of the cuboid at +-`deltas` around the FOV's
    centre is queued, if its logit reaches `threshold`; strongest faces first. A position counts
    as visited when another of the same cell was, cells being `deltas` wide with the seed in the middle of
    one (Januszewski et al. 2018).
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
        z, y, x = ((p - s + d // 2) // max(d, 1) for p, s, d in zip(position, self._seed, self._deltas))
        return z, y, x


def face_maxima(logits: np.ndarray, deltas: Triple, threshold: float) -> list[tuple[float, Triple]]:
    """The strongest voxel of each face of the cuboid at +-`deltas`, as (logit, offset from the centre).

    Faces that stay below `threshold` are left out, as are axes with a delta of 0; a voxel that is the
    strongest of two faces is given once. Where a face has several strongest voxels, the first counts.
    """
    centre = [n // 2 for n in logits.shape]
    z, y, x = (slice(c - d, c + d + 1) for c, d in zip(centre, deltas))
    cuboid = logits[z, y, x]
    found: dict[Triple, float] = {}
    for axis, delta in enumerate(deltas):
        for end in (0, 2 * delta) if delta else ():
            face = cuboid.take(end, axis=axis)
            index = int(face.argmax())
            score = float(face.flat[index])
            if score >= threshold:
                offset = [int(i) for i in np.unravel_index(index, face.shape)]
                offset.insert(axis, end)
                dz, dy, dx = (o - d for o, d in zip(offset, deltas))
                found[dz, dy, dx] = score
    return [(score, offset) for offset, score in found.items()]
