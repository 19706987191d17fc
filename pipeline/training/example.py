"""Example: one object around one coordinate, flooded by moving the FOV over a patch.

Januszewski et al., "High-precision automated reconstruction of neurons with flood-filling
networks", Nature Methods 15 (2018), supplement. The patch reaches fov // 2 + moves_reach * deltas
from its centre; the POM is kept in logits and carried on from one FOV position to the next.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.config import Network
from pipeline.ffn.flood_rules import FloodRules, face_maxima
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, Slices, Triple, triple
from pipeline.training.moves import Moves, face_steps

DEFAULT_RULES = FloodRules()

NOT_COUNTED = -1.0
"""In the place of a label's probability: the voxel has no part in the loss."""


class Place(NamedTuple):
    """A voxel of the run's own volume, or of one of `training.volumes`, which count from 1 here."""

    z: int
    y: int
    x: int
    volume: int = 0

    def __str__(self) -> str:
        of = f" of training.volumes.{self.volume - 1}" if self.volume else ""
        return f"({self.z}, {self.y}, {self.x}){of}"


SOMEWHERE = Place(0, 0, 0)


@dataclass(frozen=True)
class Fov:
    """What the network is shown at one position: float32 arrays of the FOV's shape, z, y, x."""

    image: np.ndarray
    """Normalised."""
    pom: np.ndarray
    """Logits before the update."""
    labels: np.ndarray
    """Probability that the voxel belongs to the centre voxel's object: `soft_label` or 1 - `soft_label`, or
    NOT_COUNTED where nobody knows."""
    centre: Place = SOMEWHERE
    """The example's centre."""


FovStream = Generator[Fov, np.ndarray, None]
"""Yields FOVs; expects the updated POM, in logits, for each."""


class Example:
    """One patch and the POM that the network paints over it; `radius` is that of the patch.

    `image`, `inside` and `ignored` (bool) are (z, y, x) arrays of 2 * radius + 1 voxels; the FOV may be moved
    `moves_reach` deltas from the centre along each axis. `centre` says where that is.
    """

    def __init__(
        self,
        image: np.ndarray,
        inside: np.ndarray,
        network: Network,
        soft_label: float,
        moves_reach: int = 1,
        ignored: np.ndarray | None = None,
        centre: Place = SOMEWHERE,
        rules: FloodRules = DEFAULT_RULES,
    ) -> None:
        self.image = image
        self.centre = centre
        self.inside = inside
        self.labels = np.where(inside, np.float32(soft_label), np.float32(1 - soft_label))
        self.pom = np.full(image.shape, rules.pad_logit, np.float32)
        self.radius = patch_radius(network, moves_reach)
        self.pom[self.radius] = rules.seed_logit
        self.farthest = triple([moves_reach * d for d in network.deltas])
        self.scored = scored_voxels(network, moves_reach)
        if ignored is not None:
            self.labels[ignored] = NOT_COUNTED
            self.scored = self.scored & ~ignored
        self.move_logit = rules.move_logit
        self._network = network

    def flood(self, moves: Moves) -> FovStream:
        """Show the FOV at every offset that `moves` decides on, and put each update into the POM."""
        for offset in moves:
            where = self._fov_at(offset)
            self.pom[where] = yield Fov(self.image[where], self.pom[where], self.labels[where], self.centre)

    def reaches(self, offset: Triple) -> bool:
        """Whether the POM at `offset` from the centre lets the FOV move there."""
        return bool(self.pom[self._voxel(offset)] >= self.move_logit)

    def face_maxima(self, offset: Triple) -> list[Triple]:
        """The best voxel of each face at deltas around `offset` that reaches the threshold; best first."""
        z, y, x = self._voxel(offset)
        dz, dy, dx = self._network.deltas
        around = self.pom[z - dz : z + dz + 1, y - dy : y + dy + 1, x - dx : x + dx + 1]
        found = face_maxima(around, self._network.deltas, self.move_logit)
        return [_add(offset, step) for _, step in sorted(found, reverse=True)]

    def reaches_around(self, offset: Triple) -> bool:
        """Whether it does anywhere on the shell at deltas around the centre, half a delta from `offset`."""
        low, high = zip(
            *((max(-d, o - d // 2), min(d, o + d // 2)) for o, d in zip(offset, self._network.deltas))
        )
        where = tuple(slice(r + a, r + b + 1) for r, a, b in zip(self.radius, low, high))
        on_shell = np.zeros([b - a + 1 for a, b in zip(low, high)], bool)
        for axis, (a, d) in enumerate(zip(low, self._network.deltas)):
            at = np.arange(on_shell.shape[axis]) + a
            on_shell |= np.expand_dims(np.abs(at) == d, [other for other in range(3) if other != axis])
        return bool((self.pom[where][on_shell] >= self.move_logit).any())

    def _voxel(self, offset: Triple) -> Triple:
        return _add(self.radius, offset)

    def _fov_at(self, offset: Triple) -> Slices:
        half = triple([f // 2 for f in self._network.fov])
        return Box.of_shape((1, 1, 1), self._voxel(offset)).grow(half).slices()


@lru_cache(maxsize=1)
def scored_voxels(network: Network, moves_reach: int) -> np.ndarray:
    """Which voxels of a patch some FOV of the fixed moves covers, so that policies compare; bool."""
    radius = patch_radius(network, moves_reach)
    centre = Box.of_shape((1, 1, 1), radius)
    covered = np.zeros([2 * r + 1 for r in radius], bool)
    for step in [(0, 0, 0), *face_steps(network.deltas)]:
        covered[centre.translate(step).grow(triple([f // 2 for f in network.fov])).slices()] = True
    return covered


def _add(a: Triple, b: Triple) -> Triple:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]
