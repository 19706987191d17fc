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

DOUBT = 2.0
"""By how much, in its logarithm, a smaller drift may be less likely than the likeliest and is taken all the
same: by chance it is so once in 20 times."""

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
    are is what makes the places most likely, or as likely but for `DOUBT` and smaller. A section that the
    stage has quite elsewhere counts for nothing.
    """
    middle, size = _frame(box)
    values = np.array([_components(placed[z], middle, size) for z in sections])
    values -= values.mean(axis=0)
    smoothing = _Smoothing.over(np.array(sections, float), length)
    return [*_drifts(values[:, :MOVES], smoothing), *_drifts(values[:, MOVES:], smoothing)]


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


class _Smoothing(NamedTuple):
    """Least squares of a drift: of what is left to the stage's errors, of its bias and how that changes."""

    factors: list[np.ndarray]
    """By ratio of `RATIOS`, a Cholesky factor in LAPACK's lower bands."""
    volumes: np.ndarray
    """By ratio, the logarithm of a determinant: how much room a drift has."""

    @classmethod
    def over(cls, z: np.ndarray, length: int) -> _Smoothing:
        gaps = np.diff(z)
        biases = diags_array(1 / gaps) @ _differences(len(z))
        changes = _differences(len(gaps)) @ biases
        cost = biases.T @ diags_array(gaps) @ biases
        cost = cost + length**2 * (changes.T @ diags_array(2 / (gaps[1:] + gaps[:-1])) @ changes)
        bands = np.zeros((3, len(z)))
        for k in range(3):
            bands[k, : len(z) - k] = cost.diagonal(-k)
        held = np.array([[1.0], [0.0], [0.0]])
        factors = [cholesky_banded(bands + ratio * held, lower=True) for ratio in RATIOS]
        volumes = [2 * np.log(one[0]).sum() - np.log(ratio) for one, ratio in zip(factors, RATIOS)]
        return cls(factors, np.array(volumes))

    def smooth(self, values: np.ndarray, number: int) -> np.ndarray:
        """The drift in `values` where its variance is that of a ratio."""
        found: np.ndarray = cho_solve_banded((self.factors[number], True), RATIOS[number] * values)
        return found

    def likeliest(self, values: np.ndarray) -> list[int]:
        """Of each column of `values`, sections x components, the number of its ratio, where the drift of all
        has one variance, and the stage's errors one for each; the first is as good as no drift."""
        n = len(values) - 1
        left = [(values * (values - self.smooth(values, i))).sum(axis=0) for i in range(len(RATIOS))]
        by_ratio, volumes = np.maximum(np.array(left), 1e-9), self.volumes[:, None]
        none = -0.5 * (n * np.log(by_ratio[0] / n) + n + self.volumes[0]).sum()
        tried = [(none, [0] * values.shape[1])]
        for variance in VARIANCES:
            errors = (variance / RATIOS)[:, None]
            likely = -0.5 * (n * np.log(errors) + by_ratio / errors + volumes)
            tried.append((likely.max(axis=0).sum(), likely.argmax(axis=0).tolist()))
        best = max(likely for likely, _ in tried)
        return next(numbers for likely, numbers in tried if likely >= best - DOUBT)


def _differences(count: int) -> csc_array:
    """(count - 1, count): of each value the next less itself."""
    ones = np.ones(count - 1)
    return diags_array([-ones, ones], offsets=[0, 1], shape=(count - 1, count)).tocsc()


def _drifts(values: np.ndarray, smoothing: _Smoothing) -> list[Drift]:
    """Of the columns of `values`; what is further than `FAR` from it is unknown, and all is done again."""
    near, numbers = values, [0] * values.shape[1]
    drift, off = np.zeros_like(values), np.zeros(values.shape[1])
    for _ in range(ROUNDS):
        numbers = smoothing.likeliest(near - near.mean(axis=0))
        drift = np.column_stack([smoothing.smooth(one, number) for one, number in zip(near.T, numbers)])
        left = values - drift
        off = np.median(np.abs(left - np.median(left, axis=0)), axis=0) / GAUSSIAN
        near = np.where(np.abs(left) > FAR * off, drift, values)
    taken = (drift - drift.mean(axis=0)) * (np.array(numbers) > 0)
    return [Drift(float(one), *both) for one, *both in zip(off, taken.T, (values - drift).T)]
