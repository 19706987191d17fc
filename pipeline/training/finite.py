"""A training whose numbers are not finite any more: where that arose, in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MOST_NAMED = 3


@dataclass(frozen=True)
class Fault:
    """What is not finite in one rank's part of a step, before it meets those of the other ranks."""

    rank: int
    loss: float
    centres: Sequence[tuple[int, ...]]
    """Of the examples, in the volume's coordinates, z, y, x."""

    def __str__(self) -> str:
        what = "the gradient is not finite" if np.isfinite(self.loss) else f"the loss is {self.loss}"
        places = ", ".join(map(str, self.centres[:MOST_NAMED]))
        more = len(self.centres) - MOST_NAMED
        return f"rank {self.rank}: {what} at {places}" + (f" and {more} more" if more > 0 else "")


def find_fault(rank: int, loss: float, pom: np.ndarray, centres: Sequence[tuple[int, ...]]) -> Fault:
    """The fault of a rank whose loss or gradient is not finite.

    `pom` is the updated POM, (batch, z, y, x, 1); of the examples around `centres` those whose POM is not
    finite are named, or all where it is the gradient alone.
    """
    spoiled = [centre for centre, shown in zip(centres, pom) if not np.isfinite(shown).all()]
    return Fault(rank, loss, list(dict.fromkeys(spoiled or centres)))


def describe(step: int, faults: Iterable[str], kept_steps: int) -> str:
    """One line about a step whose mean gradient is not finite, by what each rank says of its own part.

    That is its Fault as text, or "" where its part is finite.
    """
    found = list(filter(None, faults))
    others = f" ({len(found)} ranks in all)" if len(found) > 1 else ""
    where = f"{found[0]}{others}" if found else "the gradients of all ranks are finite, their sum is not"
    return f"training step {step}, {where}; {_what_to_do(kept_steps)}"


def describe_weights(step: int, names: Sequence[str], kept_steps: int) -> str:
    """One line about weights that a step has left not finite."""
    return f"after training step {step} {names[0]} is not finite; {_what_to_do(kept_steps)}"


def not_finite(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """The names of those arrays that hold NaN or infinity."""
    return [name for name, array in arrays.items() if not np.isfinite(array).all()]


def _what_to_do(kept_steps: int) -> str:
    kept = f"the checkpoint after step {kept_steps} is kept" if kept_steps else "there is no checkpoint yet"
    return f"lower training.learning_rate, or look at the image there; no network is published, {kept}"
