"""Where the FOV goes next while one object is flooded."""

from __future__ import annotations

from collections import deque

import numpy as np

from pipeline.geometry import Triple, triple


class FaceMaxMovement:
    """A queue of FOV centres, first in first out, that visits no neighbourhood twice.

    After each network call the strongest voxel of each face of the cuboid at +-`deltas` around the FOV's
    centre is queued, if its logit reaches `threshold`; strongest faces first. A position counts
    as visited when another of the same cell was, cells being `deltas` wide with the seed in the middle of
    one (Januszewski et al. 2018).
    """

    def __init__(self, seed: Triple, deltas: Triple, threshold: float) -> None:
        self._zero = triple([s - d // 2 for s, d in zip(seed, deltas)])
        self._widths = triple([max(d, 1) for d in deltas])
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
        (z, y, x), (z0, y0, x0), (dz, dy, dx) = position, self._zero, self._widths
        return (z - z0) // dz, (y - y0) // dy, (x - x0) // dx


def face_maxima(logits: np.ndarray, deltas: Triple, threshold: float) -> list[tuple[float, Triple]]:
    """The strongest voxel of each face of the cuboid at +-`deltas`, as (logit, offset from the centre).

    Faces that stay below `threshold` are left out, as are axes with a delta of 0; a voxel that is the
    strongest of two faces is given once. Where a face has several strongest voxels, the first counts.
    """
    (cz, cy, cx), (dz, dy, dx) = (n // 2 for n in logits.shape), deltas
    cuboid = logits[cz - dz : cz + dz + 1, cy - dy : cy + dy + 1, cx - dx : cx + dx + 1]
    found: dict[Triple, float] = {}
    for axis, delta in enumerate(deltas):
        for end in (0, 2 * delta) if delta else ():
            face = cuboid.take(end, axis=axis)
            index = [*divmod(int(face.argmax()), face.shape[1])]
            index.insert(axis, end)
            z, y, x = index
            found[z - dz, y - dy, x - dx] = float(cuboid[z, y, x])
    return [(score, offset) for offset, score in found.items() if score >= threshold]
