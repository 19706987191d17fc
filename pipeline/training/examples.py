"""Makes training examples, each by its key alone, and streams of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.config import Network, Training
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import triple
from pipeline.training.augment import Patch, augment
from pipeline.training.dealing import Dealer
from pipeline.training.example import Example, FovStream, Place
from pipeline.training.moves import POLICIES, Moves, Way, first_way
from pipeline.training.training_volume import TrainingVolume


class Whereabouts(NamedTuple):
    """Which example a stream has in hand, and how far it is: all that it takes to go on from there."""

    number: int
    place: int
    """Among the coordinates."""
    pom: np.ndarray
    """(z, y, x) float32 logits over the example's patch."""
    way: Way


class ExampleStream:
    """Examples number 0, 1, 2, ... of one slot, one after another, without end.

    Or from where another stream of the same key was, if it is told.
    """

    def __init__(
        self,
        maker: ExampleMaker,
        key: tuple[int, ...],
        finished: Callable[[Example], None],
        at: Whereabouts | None = None,
    ) -> None:
        self._maker, self._key, self._finished = maker, key, finished
        if at is None:
            self._begin(0)
        else:
            self._begin(at.number, at.place)
            self._example.pom[:], self._way = at.pom, at.way

    def fovs(self) -> FovStream:
        """The FOVs from where the stream is; `finished` is given each example after its last move."""
        while True:
            yield from self._example.flood(self._maker.moves(self._example, self._way))
            self._finished(self._example)
            self._begin(self._number + 1)

    @property
    def whereabouts(self) -> Whereabouts:
        """Where the stream is; not a copy: it goes on changing with it."""
        return Whereabouts(self._number, self._place, self._example.pom, self._way)

    def _begin(self, number: int, place: int | None = None) -> None:
        rng = np.random.default_rng(np.random.SeedSequence((*self._key, number)))
        self._number = number
        self._place, self._example = self._maker.example(rng, place)
        self._way = self._maker.first_way(rng)


@dataclass(frozen=True)
class ExampleMaker:
    """Makes example number k of one batch slot; equal keys give equal examples, whatever came before."""

    volumes: Sequence[TrainingVolume]
    coordinates: np.ndarray
    """(N, 4) int, volume, z, y, x: this rank's share, or with a dealer all."""
    network: Network
    training: Training
    dealer: Dealer | None = None
    """Who says which coordinate comes next; None: they are drawn."""

    def example(self, rng: np.random.Generator, place: int | None = None) -> tuple[int, Example]:
        """A random coordinate's patch, augmented, turned and reflected at random, and which one that is.

        With `place`, that coordinate's; the random numbers are the same ones.
        """
        drawn = int(rng.integers(len(self.coordinates)))
        if place is None:
            place = self.dealer.take() if self.dealer else drawn
        number, *centre = self.coordinates[place].tolist()
        volume, at = self.volumes[number], triple(centre)
        training, radius = self.training, patch_radius(self.network, self.training.reach)
        image, inside = volume.patch(at, radius)
        patch = Patch(image, inside, volume.ignored_around(at, radius))
        if training.augmentation.changes_voxels:
            # numbers of its own: those that decide what the example is are the same with and without it
            (own,) = rng.spawn(1)
            patch = augment(patch, training.augmentation, volume.black, own)
        patch = patch.moved(random_symmetry(self.network, rng, training.augmentation.turn_z))
        return place, Example(
            patch.image,
            patch.inside,
            self.network,
            training.soft_label,
            training.reach,
            patch.ignored,
            Place(*at, number),
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
