"""Where the FOV goes in a training example, one place after another while the POM changes.

The policies are google/ffn's: six faces or all 26 neighbours of the centre, these also where only a voxel
near by is reached, or as in inference.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pipeline.ffn.flood_rules import visited_cell
from pipeline.geometry import Triple, triple

Moves = Iterator[Triple]
"""Offsets from the patch's centre, decided on one by one."""


class Flooded(Protocol):
    """What moves ask of the example that is flooded."""

    farthest: Triple
    """How far the FOV may go from the centre, along each axis."""

    def reaches(self, offset: Triple) -> bool:
        """Whether the POM at `offset` from the centre lets the FOV move there."""

    def reaches_around(self, offset: Triple) -> bool:
        """Whether it does anywhere on the shell at deltas around the centre, half a delta from `offset`."""

    def face_maxima(self, offset: Triple) -> list[Triple]:
        """The best voxel of each face at deltas around `offset` that reaches the threshold; best first."""


@dataclass
class Way:
    """All that moves know beside the POM: places to look at, and the cells in which the FOV was.

    A place leaves `waiting` when the FOV was there and the POM is updated: moves that are begun on a way that
    was kept in between give the place at which others were given up, and go on as these would have.
    """

    waiting: deque[Triple]
    visited: set[Triple] = field(default_factory=set)


def first_way(policy: str, deltas: Triple, rng: np.random.Generator) -> Way:
    """Where a policy begins: at the centre; fixed ones go on to their places in random order."""
    steps = {"fixed": face_steps, "neighbours": all_steps, "fixed_window": all_steps}
    places = steps[policy](deltas) if policy in steps else []
    return Way(deque([(0, 0, 0), *(places[index] for index in rng.permutation(len(places)))]))


def fixed_moves(example: Flooded, deltas: Triple, way: Way) -> Moves:
    """The places of the way where the POM reaches the threshold."""
    while way.waiting:
        if example.reaches(way.waiting[0]):
            yield way.waiting[0]
        way.waiting.popleft()


def window_moves(example: Flooded, deltas: Triple, way: Way) -> Moves:
    """As `fixed_moves`, also where the POM reaches the threshold near by: thin processes miss the places."""
    while way.waiting:
        offset = way.waiting[0]
        if example.reaches_around(offset) if any(offset) else example.reaches(offset):
            yield offset
        way.waiting.popleft()


def max_pred_moves(example: Flooded, deltas: Triple, way: Way) -> Moves:
    """As in inference: from each position on to the best voxel of every face, as far as the patch goes.

    Also to where the network is wrong: it must learn to take back what it flooded by mistake.
    """
    while way.waiting:
        offset = way.waiting[0]
        cell = visited_cell(offset, deltas)
        outside = any(abs(o) > f for o, f in zip(offset, example.farthest))
        if not outside and cell not in way.visited and example.reaches(offset):
            yield offset
            way.visited.add(cell)
            way.waiting.extend(example.face_maxima(offset))
        way.waiting.popleft()


POLICIES: dict[str, Callable[[Flooded, Triple, Way], Moves]] = {
    "fixed": fixed_moves,
    "neighbours": fixed_moves,
    "fixed_window": window_moves,
    "max_pred_moves": max_pred_moves,
}


def face_steps(deltas: Triple) -> list[Triple]:
    """The six moves by deltas along one axis."""
    return [triple(row) for row in np.concatenate([np.diag(deltas), -np.diag(deltas)]).tolist()]


def all_steps(deltas: Triple) -> list[Triple]:
    """The 26 moves by deltas along one, two or three axes."""
    signs = itertools.product((-1, 0, 1), repeat=3)
    return [(z * deltas[0], y * deltas[1], x * deltas[2]) for z, y, x in signs if (z, y, x) != (0, 0, 0)]
