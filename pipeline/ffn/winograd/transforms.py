"""The points of minimal filtering, and what goes between values at them and voxels or kernels."""

from __future__ import annotations

import numpy as np

POINTS = (1 / 4, 11 / 16, 9 / 4, 9 / 8)
"""Those of Cook and Toom beside their negatives and infinity; a short tile does without the last.

Rounding does about the least harm at these, as searched with the published network; at 1/4, 5/8, 1, 3/2 and
their negatives it does twice as much.
"""


def transform(pairs: int) -> np.ndarray:
    """`struct transform` of winograd.h for the first `pairs` of the points and their negatives, float32.

    Data at a point are weighed by the coefficients of the product of x - q over all other points q. What
    interpolation divides by, the product of p - q, is left to the outputs: so kernels need not know `pairs`.
    """
    points = np.zeros(len(POINTS))
    points[:pairs] = POINTS[:pairs]
    all_pairs, others = np.zeros(len(POINTS)), np.zeros((len(POINTS), len(POINTS)))
    back = np.zeros((2 * len(POINTS) - 1, len(POINTS)))
    squares = points[:pairs] ** 2
    all_pairs[:pairs] = np.poly(squares)[:0:-1]
    for pair, point in enumerate(points[:pairs]):
        of_others = np.delete(squares, pair)
        others[pair, : pairs - 1] = np.poly(of_others)[:0:-1]
        powers = point ** np.arange(2 * pairs - 1)
        back[: 2 * pairs - 1, pair] = powers / (2 * point * np.prod(point**2 - of_others))
    return np.concatenate([points, all_pairs, others.ravel(), back.ravel()]).astype(np.float32)


def transformed(kernel: np.ndarray) -> np.ndarray:
    """The values of a kernel (3, 3, 3, in, out) at the points, (729, in, out) float32.

    Infinity comes first, then each point and its negative. z varies fastest, then x: as they are used.
    """
    signed = np.array([sign * point for point in POINTS for sign in (1, -1)])
    values = np.vstack([[0, 0, 1], signed[:, np.newaxis] ** np.arange(3)])
    at_points = np.einsum("ai,bj,ck,ijkmn->bcamn", *[values] * 3, kernel.astype(np.float64), optimize=True)
    return at_points.reshape(-1, *kernel.shape[3:]).astype(np.float32)
