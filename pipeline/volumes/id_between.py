"""An id that lies between all others, as membranes do that have one instead of 0."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

MOST = 0.95
"""A larger share of the places where two objects touch, if one id is at so many, is no neuron's: in dense
tissue the largest one has a third."""

FEWEST = 10
"""Other objects that it touches."""


def id_between(blocks: Iterable[NDArray[np.uint64]]) -> int | None:
    """The id that is one of the two wherever two objects touch, by some (z, y, x) blocks of ids; None where
    there is no such, and where most objects end at 0."""
    at_nothing, touching = 0, []
    for ids in blocks:
        for axis in range(ids.ndim):
            here, next_one = np.moveaxis(ids, axis, 0)[:-1], np.moveaxis(ids, axis, 0)[1:]
            ends = here != next_one
            pairs = np.stack([here[ends], next_one[ends]], axis=-1)
            is_two = pairs.all(axis=1)
            at_nothing += np.count_nonzero(~is_two)
            touching.append(pairs[is_two])
    both = np.concatenate([*touching, np.zeros((0, 2), np.uint64)])
    if len(both) <= at_nothing:
        return None
    found, counts = np.unique(both, return_counts=True)
    often = found[counts.argmax()]
    touched = np.unique(both[(both == often).any(axis=1)])
    return int(often) if counts.max() > MOST * len(both) and len(touched) > FEWEST else None
