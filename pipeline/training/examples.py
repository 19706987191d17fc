"""Training examples: one object around one coordinate, flooded by moving the FOV over a patch.

Januszewski et al., "High-precision automated reconstruction of neurons with flood-filling
networks", Nature Methods 15 (2018), supplement. The patch reaches fov // 2 + moves_reach * deltas
from its centre; the POM is kept in logits and carried on from one FOV position to the next.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.config import Network, Training
from pipeline.ffn.flood_rules import (
    MOVE_THRESHOLD,
    PAD_PROBABILITY,
    SEED_PROBABILITY,
    face_maxima,
    logit,
    visited_cell,
)
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, Slices, Triple, triple

SEED_LOGIT = logit(SEED_PROBABILITY)
PAD_LOGIT = logit(PAD_PROBABILITY)
MOVE_LOGIT = logit(MOVE_THRESHOLD)
"""Also what counts as inside in the metrics."""


NOT_COUNTED = -1.0
"""In the place of a label's probability: the voxel has no part in the loss."""


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
    centre: Triple = (0, 0, 0)
    """Coordinates of the example's centre in the volume."""


FovStream = Generator[Fov, np.ndarray, None]
"""Yields FOVs; expects the updated POM, in logits, for each."""


@dataclass(frozen=True)
class TrainingVolume:
    """Image and labels of the training box, held in memory: (z, y, x) arrays over `box`."""

    box: Box
    image: np.ndarray
    labels: np.ndarray
    image_mean: float
    image_stddev: float
    ignored: np.ndarray | None = None
    """Where nobody knows what lies there, bool; None: nowhere."""

    def patch(self, centre: Triple, radius: Triple) -> tuple[np.ndarray, np.ndarray]:
        """Normalised float32 image around `centre`, and which voxels belong to the object there (bool)."""
        where = Box.of_shape((1, 1, 1), centre).grow(radius).slices(self.box.start)
        image = (self.image[where].astype(np.float32) - self.image_mean) / self.image_stddev
        labels = self.labels[where]
        return image, (labels == labels[radius]) & (labels > 0)

    def ignored_around(self, centre: Triple, radius: Triple) -> np.ndarray | None:
        """Which voxels around `centre` have no part in the loss; None: all have."""
        where = Box.of_shape((1, 1, 1), centre).grow(radius).slices(self.box.start)
        return None if self.ignored is None else self.ignored[where]


class Example:
    """One patch and the POM that the network paints over it; `radius` is that of the patch.

    `image`, `inside` and `ignored` (bool) are (z, y, x) arrays of 2 * radius + 1 voxels; the FOV may be moved
    `moves_reach` deltas from the centre along each axis. `centre` says where in the volume that is.
    """

    def __init__(
        self,
        image: np.ndarray,
        inside: np.ndarray,
        network: Network,
        soft_label: float,
        moves_reach: int = 1,
        ignored: np.ndarray | None = None,
        centre: Triple = (0, 0, 0),
    ) -> None:
        self.image = image
        self.centre = centre
        self.inside = inside
        self.labels = np.where(inside, np.float32(soft_label), np.float32(1 - soft_label))
        self.pom = np.full(image.shape, PAD_LOGIT, np.float32)
        self.radius = patch_radius(network, moves_reach)
        self.pom[self.radius] = SEED_LOGIT
        self.farthest = triple([moves_reach * d for d in network.deltas])
        self.scored = scored_voxels(network, moves_reach)
        if ignored is not None:
            self.labels[ignored] = NOT_COUNTED
            self.scored = self.scored & ~ignored
        self._network = network

    def flood(self, moves: Moves) -> FovStream:
        """Show the FOV at every offset that `moves` decides on, and put each update into the POM."""
        for offset in moves:
            where = self._fov_at(offset)
            self.pom[where] = yield Fov(self.image[where], self.pom[where], self.labels[where], self.centre)

    def reaches(self, offset: Triple) -> bool:
        """Whether the POM at `offset` from the centre lets the FOV move there."""
        return bool(self.pom[self._voxel(offset)] >= MOVE_LOGIT)

    def face_maxima(self, offset: Triple) -> list[Triple]:
        """The best voxel of each face at deltas around `offset` that reaches the threshold; best first."""
        z, y, x = self._voxel(offset)
        dz, dy, dx = self._network.deltas
        around = self.pom[z - dz : z + dz + 1, y - dy : y + dy + 1, x - dx : x + dx + 1]
        found = face_maxima(around, self._network.deltas, MOVE_LOGIT)
        return [_add(offset, step) for _, step in sorted(found, reverse=True)]

    def _voxel(self, offset: Triple) -> Triple:
        return _add(self.radius, offset)

    def _fov_at(self, offset: Triple) -> Slices:
        half = triple([f // 2 for f in self._network.fov])
        return Box.of_shape((1, 1, 1), self._voxel(offset)).grow(half).slices()


Moves = Iterator[Triple]
"""Offsets from the patch's centre, decided on one by one while the POM changes."""


def fixed_moves(example: Example, deltas: Triple, rng: np.random.Generator) -> Moves:
    """The centre, then the six positions at +-deltas in random order, where the POM reaches the threshold."""
    yield 0, 0, 0
    steps = face_steps(deltas)
    for index in rng.permutation(len(steps)):
        if example.reaches(steps[index]):
            yield steps[index]


def max_pred_moves(example: Example, deltas: Triple, rng: np.random.Generator) -> Moves:
    """As in inference: from each position on to the best voxel of every face, as far as the patch goes.

    Also to where the network is wrong: it must learn to take back what it flooded by mistake.
    """
    queue: deque[Triple] = deque([(0, 0, 0)])
    visited = set()
    while queue:
        offset = queue.popleft()
        cell = visited_cell(offset, deltas)
        outside = any(abs(o) > f for o, f in zip(offset, example.farthest))
        if outside or cell in visited or not example.reaches(offset):
            continue
        visited.add(cell)
        yield offset
        queue.extend(example.face_maxima(offset))


POLICIES: dict[str, Callable[[Example, Triple, np.random.Generator], Moves]] = {
    "fixed": fixed_moves,
    "max_pred_moves": max_pred_moves,
}


@dataclass(frozen=True)
class ExampleMaker:
    """Makes example number k of one batch slot; equal keys give equal examples, whatever came before."""

    volume: TrainingVolume
    coordinates: np.ndarray
    """(N, 3) int, z, y, x: this rank's share."""
    network: Network
    training: Training

    def stream(self, key: tuple[int, ...], finished: Callable[[Example], None]) -> FovStream:
        """FOVs of example 0, 1, 2, ... without end; `finished` is given each example after its last move."""
        for k in itertools.count():
            rng = np.random.default_rng(np.random.SeedSequence((*key, k)))
            example = self.example(rng)
            yield from example.flood(POLICIES[self.training.fov_moves](example, self.network.deltas, rng))
            finished(example)

    def example(self, rng: np.random.Generator) -> Example:
        """A random coordinate's patch, randomly turned and reflected."""
        centre = triple(self.coordinates[rng.integers(len(self.coordinates))].tolist())
        training, radius = self.training, patch_radius(self.network, self.training.moves_reach)
        image, inside = self.volume.patch(centre, radius)
        ignored = self.volume.ignored_around(centre, radius)
        turn = random_symmetry(self.network, rng)
        turned = None if ignored is None else turn(ignored)
        return Example(
            turn(image), turn(inside), self.network, training.soft_label, training.moves_reach, turned, centre
        )


def random_symmetry(network: Network, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A random permutation of the axes along which fov and deltas are equal, and reflection of each axis."""
    sizes = list(zip(network.fov, network.deltas))
    axes = list(rng.permutation(3))
    order = [next(axes.pop(i) for i, a in enumerate(axes) if sizes[a] == size) for size in sizes]
    flips = tuple(slice(None, None, -1) if flip else slice(None) for flip in rng.integers(2, size=3))

    def apply(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.transpose(array, order)[flips])

    return apply


@lru_cache(maxsize=1)
def scored_voxels(network: Network, moves_reach: int) -> np.ndarray:
    """Which voxels of a patch some FOV of the fixed moves covers, so that policies compare; bool."""
    radius = patch_radius(network, moves_reach)
    centre = Box.of_shape((1, 1, 1), radius)
    covered = np.zeros([2 * r + 1 for r in radius], bool)
    for step in [(0, 0, 0), *face_steps(network.deltas)]:
        covered[centre.translate(step).grow(triple([f // 2 for f in network.fov])).slices()] = True
    return covered


def face_steps(deltas: Triple) -> list[Triple]:
    """The six moves by deltas along one axis."""
    return [triple(row) for row in np.concatenate([np.diag(deltas), -np.diag(deltas)]).tolist()]


def _add(a: Triple, b: Triple) -> Triple:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]
