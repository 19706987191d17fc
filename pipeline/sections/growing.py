"""How moves that were found on a grid go on where none was found."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve, label, maximum_filter
from scipy.spatial import cKDTree

AROUND = 2
"""Points on each side of one that has a move for which those near it speak."""

NEAREST = 24
"""Points whose moves are gone on with: all that are near one, if they are found."""


def largest_group(moves: np.ndarray) -> np.ndarray:
    """Of moves (rows, columns, 2), NaN where none was found, those of the most points that touch; the others
    become NaN: a few that lie apart may be alike by chance."""
    groups, _ = label(np.isfinite(moves[..., 0]), np.ones((3, 3)))
    sizes = np.bincount(groups.ravel())
    sizes[0] = 0
    is_in_it = (groups > 0) & (groups == sizes.argmax())
    return np.where(is_in_it[..., np.newaxis], moves, np.nan)


def beside(found: np.ndarray) -> np.ndarray:
    """Which points, (rows, columns) bool, are at most `AROUND` from one that was found."""
    return np.asarray(maximum_filter(found, 2 * AROUND + 1))


def crowded(points: np.ndarray, fewest: int) -> np.ndarray:
    """Which of some points, (rows, columns) bool, are near more than so many of them, itself included."""
    near = np.ones((2 * AROUND + 1,) * 2, int)
    return np.asarray(points & (convolve(points.astype(int), near, mode="constant") > fewest))


def continued(moves: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The same with moves of the points beside those that were found, so far as they are `where` it is asked,
    (rows, columns) bool: as the affine map has it that fits the nearest of these best."""
    found, filled = np.isfinite(moves[..., 0]), moves.copy()
    if not found.any():
        return filled
    known = np.argwhere(found)
    nearest = cKDTree(known)
    for point in np.argwhere(where & beside(found) & ~found):
        _, which = nearest.query(point, range(1, min(NEAREST, len(known)) + 1))
        of, as_known = known[which], moves[tuple(known[which].T)]
        middle, mean = of.mean(axis=0), as_known.mean(axis=0)
        # beside the middle, so that across points in one row nothing changes
        slope = np.linalg.lstsq(of - middle, as_known - mean, rcond=None)[0]
        filled[tuple(point)] = mean + (point - middle) @ slope
    return filled
