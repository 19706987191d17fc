"""Where a piece of one image lies in another: normalised correlation by FFT, its peak between pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2


class Match(NamedTuple):
    """Where the template lies from the middle of what was searched, in pixels, and how well it fits."""

    dy: float
    dx: float
    quality: float
    """Correlation at the peak, at most 1; 0 where there is no peak inside what was searched."""


class Seen(NamedTuple):
    """An image, (y, x), of which pixels may be missing."""

    values: np.ndarray
    known: np.ndarray
    """(y, x) bool."""

    def part(self, rows: slice, columns: slice) -> Seen:
        return Seen(self.values[rows, columns], self.known[rows, columns])

    def within(self, border: int, dy: int = 0, dx: int = 0) -> Seen:
        """Without a border of so many pixels on all sides, or so many beside that."""
        height, width = self.values.shape
        return self.part(slice(border + dy, height - border + dy), slice(border + dx, width - border + dx))


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
    return _peak(response)


def match_seen(template: Seen, search: Seen, least: float) -> Match:
    """The same of images with missing pixels: those that both have are compared, and wherever the template is
    put they must be at least the share `least` of it."""
    if template.known.all() and search.known.all():
        return match(template.values, search.values)
    if not (template.known.any() and search.known.any()):
        return NOWHERE
    return _peak(_masked_response(template, search, least * template.known.size))


def _peak(response: np.ndarray) -> Match:
    """Where a map of correlations is highest."""
    y, x = np.unravel_index(int(np.argmax(response)), response.shape)
    if not (0 < y < response.shape[0] - 1 and 0 < x < response.shape[1] - 1):
        return NOWHERE
    top = response[y - 1 : y + 2, x - 1 : x + 2]
    oy, ox = _summit(top)
    middle_y, middle_x = (n // 2 for n in response.shape)
    return Match(float(y - middle_y + oy), float(x - middle_x + ox), float(response[y, x]))


def _masked_response(template: Seen, search: Seen, fewest: float) -> np.ndarray:
    """Correlation of the pixels that both have, wherever the template is put; 0 where they are fewer than
    `fewest`, or blank. By sums of what is known, each a correlation by FFT (Padfield 2012)."""
    shape = [next_fast_len(n, real=True) for n in search.values.shape]
    inner = tuple(slice(0, s - t + 1) for s, t in zip(search.values.shape, template.values.shape))
    of_t = [rfft2(one, shape).conj() for one in _powers(template)]
    of_s = [rfft2(one, shape) for one in _powers(search)]

    def summed(i: int, j: int) -> np.ndarray:
        return np.asarray(irfft2(of_t[i] * of_s[j], shape))[inner]

    count = np.maximum(np.round(summed(0, 0)), 1)
    sum_t, sum_s = summed(1, 0), summed(0, 1)
    spread = (summed(2, 0) - sum_t**2 / count) * (summed(0, 2) - sum_s**2 / count)
    counts = (count >= fewest) & (spread > 1e-6 * count**2)
    root = np.sqrt(spread, out=np.ones_like(spread), where=counts)
    return np.where(counts, (summed(1, 1) - sum_t * sum_s / count) / root, 0.0)


def _powers(seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """To the power of 0, 1 and 2, the values around their mean; 0 where nothing is known."""
    around = np.where(seen.known, seen.values - seen.values[seen.known].mean(dtype=float), 0.0)
    return seen.known.astype(float), around, around**2


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
