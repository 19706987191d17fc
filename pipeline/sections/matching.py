"""Where a piece of one image lies in another: normalised correlation by FFT, its peak between pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Match(NamedTuple):
    """Where the template lies from the middle of what was searched, in pixels, and how well it fits."""

    dy: float
    dx: float
    quality: float
    """Correlation at the peak, at most 1; 0 where there is no peak inside what was searched."""


NOWHERE = Match(0.0, 0.0, 0.0)


def match(template: np.ndarray, search: np.ndarray) -> Match:
    """Find `template` (y, x) in `search`, which is larger by an even number of pixels along each axis.

    Contrast and brightness do not matter. Only the peak inside counts: one at the edge of the search may have
    its top outside.
    """
    from skimage.feature import match_template  # a second to import, and not every process needs it

    if template.std() == 0 or search.std() == 0:
        return NOWHERE
    # around 0, because sums over many float32 are exact enough only where they stay small
    response = match_template(*((one - one.mean()).astype(np.float32) for one in (search, template)))
    y, x = np.unravel_index(int(np.argmax(response)), response.shape)
    if not (0 < y < response.shape[0] - 1 and 0 < x < response.shape[1] - 1):
        return NOWHERE
    top = response[y - 1 : y + 2, x - 1 : x + 2]
    oy, ox = _summit(top)
    middle_y, middle_x = (n // 2 for n in response.shape)
    return Match(float(y - middle_y + oy), float(x - middle_x + ox), float(response[y, x]))


def _summit(top: np.ndarray) -> tuple[float, float]:
    """Where the paraboloid through 3 x 3 values, fitted by least squares, has its top; within a pixel."""
    gy = (top[2] - top[0]).sum() / 6
    gx = (top[:, 2] - top[:, 0]).sum() / 6
    hyy = (top[2] - 2 * top[1] + top[0]).sum() / 3
    hxx = (top[:, 2] - 2 * top[:, 1] + top[:, 0]).sum() / 3
    hxy = (top[2, 2] - top[2, 0] - top[0, 2] + top[0, 0]) / 4
    determinant = hyy * hxx - hxy * hxy
    if hyy >= 0 or determinant <= 0:
        return 0.0, 0.0
    oy = -(hxx * gy - hxy * gx) / determinant
    ox = -(hyy * gx - hxy * gy) / determinant
    return float(np.clip(oy, -1, 1)), float(np.clip(ox, -1, 1))
