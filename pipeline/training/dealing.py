"""Dealing coordinates to ranks: each once before any comes again, however many ranks there are at a time.

Examples stand in an endless row, one epoch after another, in each of which every coordinate is once, in an
order of its own. Ranks take them in turn; how many each takes, it finds out as it floods them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

EPOCHS = 0xE90C
"""Keeps the orders of epochs apart from all else that is drawn by the run's seed."""


@dataclass(frozen=True)
class Deal:
    """What is still to be dealt: places in the row that were passed over, then all from `frontier` on."""

    passed_over: tuple[int, ...] = ()
    frontier: int = 0

    def place(self, turn: int) -> int:
        """Where in the row the example of a turn stands, counting turns from 0."""
        beyond = turn - len(self.passed_over)
        return self.passed_over[turn] if beyond < 0 else self.frontier + beyond

    def after(self, taken: Sequence[int]) -> Deal:
        """What is left when rank r has taken `taken[r]` examples: those of turns r, r + ranks, and so on."""
        ranks = len(taken)
        turns = max((rank + 1 + (count - 1) * ranks for rank, count in enumerate(taken) if count), default=0)
        turns = max(turns, len(self.passed_over))
        left = tuple(self.place(turn) for turn in range(turns) if turn // ranks >= taken[turn % ranks])
        return Deal(left, self.place(turns))


UNDEALT = Deal()


class Dealer:
    """Gives one rank its examples of a deal; `taken` counts them."""

    def __init__(
        self, deal: Deal, rank: int, ranks: int, coordinates: int, seed: int, taken: int = 0
    ) -> None:
        self._deal, self._rank, self._ranks = deal, rank, ranks
        self._coordinates, self._seed = coordinates, seed
        self.taken = taken

    def take(self) -> int:
        """The next example's coordinate, by its place among all."""
        place = self._deal.place(self._rank + self.taken * self._ranks)
        self.taken += 1
        return coordinate_at(place, self._coordinates, self._seed)


def coordinate_at(place: int, coordinates: int, seed: int) -> int:
    """Which of so many coordinates stands at a place in the row."""
    epoch, index = divmod(place, coordinates)
    return int(_order(epoch, coordinates, seed)[index])


@lru_cache(maxsize=2)
def _order(epoch: int, coordinates: int, seed: int) -> np.ndarray:
    """The order of an epoch, a permutation."""
    return np.random.default_rng(np.random.SeedSequence((seed, EPOCHS, epoch))).permutation(coordinates)
