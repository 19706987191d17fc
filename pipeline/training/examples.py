"""Training examples: one object around one coordinate, flooded by moving the FOV over a patch.

Januszewski et al., "High-precision automated reconstruction of neurons with flood-filling
networks", Nature Methods 15 (2018), supplement. The patch reaches fov // 2 + moves_reach * deltas
from its centre; the POM is kept in logits and carried on from one FOV position to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.config import Network, Training
from pipeline.ffn.flood_rules import FloodRules, face_maxima
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, Slices, Triple, triple
from pipeline.training.augment import Patch, augment
from pipeline.training.moves import POLICIES, Moves, Way, face_steps, first_way

DEFAULT_RULES = FloodRules()

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

    @property
    def black(self) -> float:
        """What the network is shown where the image is missing, which is read as 0."""
        return -self.image_mean / self.image_stddev

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


class ExampleStream:
    """Examples number 0, 1, 2, ... of one slot, one after another, without end.

    `number` and `place` say which one is in hand, its POM and `way` how far it is: all that it takes to go on
    from there.
    """

    def __init__(
        self, maker: ExampleMaker, key: tuple[int, ...], finished: Callable[[Example], None]
    ) -> None:
        self._maker, self._key, self._finished = maker, key, finished
        self._begin(0)

    def fovs(self) -> FovStream:
        """The FOVs from where the stream is; `finished` is given each example after its last move."""
        while True:
            yield from self.example.flood(self._maker.moves(self.example, self.way))
            self._finished(self.example)
            self._begin(self.number + 1)

    def go_on(self, number: int, place: int, pom: np.ndarray, way: Way) -> None:
        """Be where another stream of this key was, as its `number`, `place`, example's POM and `way` said."""
        self._begin(number, place)
        self.example.pom[:] = pom
        self.way = way

    def _begin(self, number: int, place: int | None = None) -> None:
        rng = np.random.default_rng(np.random.SeedSequence((*self._key, number)))
        self.number = number
        self.place, self.example = self._maker.example(rng, place)
        self.way = self._maker.first_way(rng)


@dataclass(frozen=True)
class ExampleMaker:
    """Makes example number k of one batch slot; equal keys give equal examples, whatever came before."""

    volume: TrainingVolume
    coordinates: np.ndarray
    """(N, 3) int, z, y, x: this rank's share."""
    network: Network
    training: Training

    def example(self, rng: np.random.Generator, place: int | None = None) -> tuple[int, Example]:
        """A random coordinate's patch, augmented, turned and reflected at random, and which one that is.

        With `place`, that coordinate's; the random numbers are the same ones.
        """
        drawn = int(rng.integers(len(self.coordinates)))
        place = drawn if place is None else place
        centre = triple(self.coordinates[place].tolist())
        training, radius = self.training, patch_radius(self.network, self.training.moves_reach)
        patch = Patch(*self.volume.patch(centre, radius), self.volume.ignored_around(centre, radius))
        if training.augmentation.changes_voxels:
            # numbers of its own: those that decide what the example is are the same with and without it
            (own,) = rng.spawn(1)
            patch = augment(patch, training.augmentation, self.volume.black, own)
        patch = patch.moved(random_symmetry(self.network, rng, training.augmentation.turn_z))
        return place, Example(
            patch.image,
            patch.inside,
            self.network,
            training.soft_label,
            training.moves_reach,
            patch.ignored,
            centre,
            training.flood_rules,
        )

    def first_way(self, rng: np.random.Generator) -> Way:
        """Where an example's moves begin."""
        return first_way(self.training.fov_moves, self.network.deltas, rng)

    def moves(self, example: Example, way: Way) -> Moves:
        """The moves of an example, from where `way` is."""
        return POLICIES[self.training.fov_moves](example, self.network.deltas, way)


def random_symmetry(
    network: Network, rng: np.random.Generator, turn_z: bool = True
) -> Callable[[np.ndarray], np.ndarray]:
    """A random permutation of the axes along which fov and deltas are equal, and reflection of each axis.

    Without `turn_z` that axis stays where it is.
    """
    sizes = list(zip(network.fov, network.deltas, (turn_z, True, True)))
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


def _add(a: Triple, b: Triple) -> Triple:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]
