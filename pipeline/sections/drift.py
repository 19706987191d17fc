"""How the placement of sections drifts from one to the next, as the table of tiles contradicts it.

Two say where a section lies: the stage, whose places are off by an error that is new in each section; and
the chain of pairs, which is good from one section to the next but has a bias wherever processes run
obliquely, and bias adds up. So the two differ by an error of each section's own, and by a drift that is
smooth over many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.sparse import csc_array, diags_array
from scipy.special import logsumexp, softmax

from pipeline.geometry import Box
from pipeline.sections.coarse import Affine

COMPONENTS = ("moved y", "moved x", "stretched y", "stretched x", "sheared", "turned")
"""Of an affine map, in pixels: at the middle of the box, and across its longer side."""

MOVES = 2
"""How many of them say where, not how, a section lies."""

FEWEST = 8
"""Sections; of fewer a drift is not told from chance."""

RATIOS = np.logspace(-8, 3, 89)
"""Of the variance of the drift to that of the stage's errors: what is tried."""

VARIANCES = np.logspace(-6, 4, 81)
"""Of the drift, in square pixels a section: what is tried."""

ROUNDS = 10

GAUSSIAN = 0.6745
"""Of its standard deviation is the median deviation of what is normally distributed."""

FAR = 5.0
"""Standard deviations beyond which a section counts for nothing. Where it is as many pixels that is told."""


class Drift(NamedTuple):
    """What one component of the places of some sections does."""

    off: float
    """Standard deviation of the stage's errors, in pixels."""
    drift: np.ndarray
    """Of each section, in pixels; 0 on the mean over them."""
    error: np.ndarray
    """What is left of the difference to the table, in pixels."""


def drifts(sections: Sequence[int], placed: Mapping[int, Affine], box: Box, length: int) -> list[Drift]:
    """Of the places that pairs alone give sections, ascending and at least `FEWEST`, the drift by component.

    The bias of pairs stays about the same over `length` sections. How large it and the errors of the stage
    are is not known: the drift is the mean over all that is tried, each as much as it makes the places
    likely, which is nearest to the true one on the mean. Where nothing is likelier than no drift it is
    exactly 0. A section that the stage has quite elsewhere counts for nothing.
    """
    middle, size = _frame(box)
    values = np.array([_components(placed[z], middle, size) for z in sections])
    values -= values.mean(axis=0)
    cost = _cost(np.array(sections, float), length)
    return [*_drifts(values[:, :MOVES], cost), *_drifts(values[:, MOVES:], cost)]


def without(found: Sequence[Drift], box: Box) -> list[Affine]:
    """Of each section the map of the volume into itself that takes the drift off."""
    middle, size = _frame(box)
    maps = []
    for y, x, stretched_y, stretched_x, sheared, turned in np.stack([one.drift for one in found], axis=1):
        linear = np.array([[stretched_y, sheared - turned], [sheared + turned, stretched_x]]) / size
        maps.append(Affine(np.eye(2) - linear, linear @ middle - np.array([y, x])))
    return maps


def told(sections: Sequence[int], found: Sequence[Drift]) -> dict[str, Any]:
    """What people are told of it, in pixels: by component, and the most of where sections are; and which
    sections are far from where the table has them."""
    far = np.any([np.abs(one.error) > FAR * max(1.0, one.off) for one in found[:MOVES]], axis=0)
    components = {
        name: {"drift_px": float(np.abs(one.drift).max()), "table_px": one.off}
        for name, one in zip(COMPONENTS, found)
    }
    moved = [components[name] for name in COMPONENTS[:MOVES]]
    return {
        "from": sections[0],
        "to": sections[-1],
        **{name: max(one[name] for one in moved) for name in ("drift_px", "table_px")},
        "far": [z for z, is_far in zip(sections, far) if is_far],
        "components": components,
    }


def _frame(box: Box) -> tuple[np.ndarray, float]:
    """The middle of a box in its sections, and its longer side there."""
    low, high = np.array(box.start[1:], float), np.array(box.stop[1:], float)
    return (low + high) / 2, float((high - low).max())


def _components(placed: Affine, middle: np.ndarray, size: float) -> list[float]:
    (yy, yx), (xy, xx) = (placed.matrix - np.eye(2)) * size
    y, x = placed(middle[None])[0] - middle
    return [y, x, yy, xx, (xy + yx) / 2, (xy - yx) / 2]


class _Tried(NamedTuple):
    """Of one component, for each of `RATIOS`."""

    drift: np.ndarray
    """(ratios, sections): the likeliest, by least squares."""
    left: np.ndarray
    """What it costs: of what is left to the stage's errors, of its bias and how that changes."""
    volume: np.ndarray
    """The logarithm of a determinant: how much room a drift has."""
    free: int
    """Sections that count, but for the one that says where all of them are."""

    @classmethod
    def over(cls, cost: np.ndarray, values: np.ndarray, counts: np.ndarray) -> _Tried:
        """Of the `values` of sections, as far as they count (bool); `cost` is that of a drift."""
        drift, volume = np.empty((len(RATIOS), len(values))), np.empty(len(RATIOS))
        held = np.array([[1.0], [0.0], [0.0]]) * counts
        for i, ratio in enumerate(RATIOS):
            factor = cholesky_banded(cost + ratio * held, lower=True)
            drift[i] = cho_solve_banded((factor, True), ratio * counts * values)
            volume[i] = 2 * np.log(factor[0]).sum() - np.log(ratio)
        left = (counts * values * (values - drift)).sum(axis=1)
        return cls(drift, np.maximum(left, 1e-9), volume, int(counts.sum()) - 1)

    @property
    def likely(self) -> np.ndarray:
        """(variances, ratios): how likely, as a logarithm."""
        errors = VARIANCES[:, None] / RATIOS
        return np.asarray(-0.5 * (self.free * np.log(errors) + self.left / errors + self.volume))

    @property
    def likely_without(self) -> float:
        """The same of no drift, which the first ratio is as good as, and of what errors make it likeliest."""
        return float(-0.5 * (self.free * (np.log(self.left[0] / self.free) + 1) + self.volume[0]))


def _cost(z: np.ndarray, length: int) -> np.ndarray:
    """Of a drift at sections `z` the squares of its bias and of how that changes, in LAPACK's lower bands."""
    gaps = np.diff(z)
    biases = diags_array(1 / gaps) @ _differences(len(z))
    changes = _differences(len(gaps)) @ biases
    cost = biases.T @ diags_array(gaps) @ biases
    cost = cost + length**2 * (changes.T @ diags_array(2 / (gaps[1:] + gaps[:-1])) @ changes)
    bands = np.zeros((3, len(z)))
    for k in range(3):
        bands[k, : len(z) - k] = cost.diagonal(-k)
    return bands


def _mean(tried: Sequence[_Tried]) -> np.ndarray:
    """(sections, components): the drift on the mean over all that is tried, where that of all components has
    one variance and the stage's errors one for each."""
    likely = np.stack([one.likely for one in tried], axis=-1)
    if likely.max(axis=1).sum(axis=-1).max() <= sum(one.likely_without for one in tried):
        return np.zeros((tried[0].drift.shape[1], len(tried)))
    of_variance = softmax(logsumexp(likely, axis=1).sum(axis=-1))
    of_ratio = (of_variance[:, None, None] * softmax(likely, axis=1)).sum(axis=0)
    return np.stack(
        [(one.drift.T * how_much).sum(axis=1) for one, how_much in zip(tried, of_ratio.T)], axis=-1
    )


def _differences(count: int) -> csc_array:
    """(count - 1, count): of each value the next less itself."""
    ones = np.ones(count - 1)
    return diags_array([-ones, ones], offsets=[0, 1], shape=(count - 1, count)).tocsc()


def _drifts(values: np.ndarray, cost: np.ndarray) -> list[Drift]:
    """Of the columns of `values`; what is further than `FAR` from it is unknown, and all is done again."""
    counts = np.ones(values.shape, bool)
    for _ in range(ROUNDS):
        middle = np.mean(values, axis=0, where=counts)
        drift = _mean([_Tried.over(cost, *one) for one in zip((values - middle).T, counts.T)])
        left = values - middle - drift
        apart = np.abs(left - np.median(left, axis=0))
        off = np.median(apart, axis=0) / GAUSSIAN
        before, counts = counts, apart <= FAR * off
        if (counts == before).all():
            break
    drift -= drift.mean(axis=0)
    return [Drift(float(one), *both) for one, *both in zip(off, drift.T, left.T)]
