"""The rules of flooding that training and inference share, so that a network meets what it learned.

Januszewski et al., "High-precision automated reconstruction of neurons with flood-filling networks", Nature
Methods 15 (2018), as google/ffn applies them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from pipeline.geometry import Triple

SEED_PROBABILITY = 0.95
"""Of the POM at the seed, before the network is first called. Settings may say otherwise."""

PAD_PROBABILITY = 0.05
"""Of the POM where the network has not been."""

MOVE_THRESHOLD = 0.9
"""What the POM must reach where the FOV is to be centred next."""


@dataclass(frozen=True)
class FloodRules:
    """By which the examples of a training are flooded; inference has its own settings of the same names."""

    seed_probability: float = SEED_PROBABILITY
    pad_probability: float = PAD_PROBABILITY
    move_threshold: float = MOVE_THRESHOLD

    @property
    def seed_logit(self) -> float:
        return logit(self.seed_probability)

    @property
    def pad_logit(self) -> float:
        return logit(self.pad_probability)

    @property
    def move_logit(self) -> float:
        """Also what counts as inside in the metrics."""
        return logit(self.move_threshold)


def logit(probability: float) -> float:
    """log(p / (1 - p)), the inverse of the logistic function."""
    return log(probability / (1 - probability))


def visited_cell(offset: Triple, deltas: Triple) -> Triple:
    """The cell of an offset from the seed: cells are `deltas` wide, and the seed is in the middle of one.

    The FOV is centred in each cell once.
    """
    (z, y, x), (dz, dy, dx) = offset, deltas
    return (z + dz // 2) // max(dz, 1), (y + dy // 2) // max(dy, 1), (x + dx // 2) // max(dx, 1)


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
