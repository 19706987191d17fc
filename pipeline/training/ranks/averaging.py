"""Averaging over ranks: of gradients in every step, or of weights now and then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Averaging(Protocol):
    """Ranks that average what each of them has."""

    def average(self, vector: Any) -> Any:
        """Mean over the ranks of a TensorFlow tensor; all must call it in the same order."""


class Alone:
    """A rank that averages with nobody."""

    def average(self, vector: Any) -> Any:
        """The vector as it is."""
        return vector


def average_variables(variables: Sequence[Any], ranks: Averaging) -> bool:
    """Give all ranks the mean of their floating-point Keras variables; whether all of it is finite.

    They travel as one vector, as gradients do: one message, and one order of summation.
    """
    averaged = [variable for variable in variables if "float" in str(variable.dtype)]
    flat = np.concatenate([np.ravel(variable) for variable in averaged])
    mean = np.asarray(ranks.average(flat))
    start = 0
    for variable in averaged:
        size = int(np.prod(variable.shape))
        variable.assign(mean[start : start + size].reshape(variable.shape))
        start += size
    return bool(np.isfinite(mean).all())
