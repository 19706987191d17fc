"""Random fields whose value at a voxel depends on its coordinates and the seed alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.geometry import Box, triple

Floats = NDArray[np.float32]
Axes = Sequence[NDArray[np.integer]]

# Odd constants of good mixing: the golden ratio's, and those of splitmix64 (Steele et al. 2014).
_AXIS_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def voxel_axes(box: Box) -> Axes:
    """The z, the y and the x of the voxels in `box`."""
    return [np.arange(a, b) for a, b in zip(box.start, box.stop)]


class Waves:
    """A smooth random field of mean 0 and variance 1: a sum of plane waves of about `wavelength` voxels."""

    def __init__(self, rng: np.random.Generator, wavelength: float, count: int = 8) -> None:
        directions = rng.normal(size=(count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = wavelength * rng.uniform(0.7, 1.5, (count, 1))
        self._vectors = 2 * np.pi * directions / lengths
        self._phases = rng.uniform(0, 2 * np.pi, count)

    def __call__(self, axes: Axes) -> Floats:
        """The field on the grid of the z, y and x coordinates in `axes`; (z, y, x) float32."""
        total = np.zeros(tuple(len(axis) for axis in axes), np.float32)
        for vector, phase in zip(self._vectors, self._phases):
            z, y, x = (np.exp(1j * k * axis).astype(np.complex64) for k, axis in zip(vector, axes))
            z *= np.complex64(np.exp(1j * phase))
            total += ((z[:, None] * y)[:, :, None] * x).real
        return total * np.float32(np.sqrt(2 / len(self._phases)))


def white_noise(box: Box, seed: int) -> Floats:
    """Independent, nearly Gaussian values of mean 0 and variance 1; (z, y, x) float32.

    Every voxel's 64 bits are a hash of its coordinates, so that any box can be asked for without
    its neighbours; the value is the sum of their four 16-bit parts.
    """
    z, y, x = (
        np.arange(a, b, dtype=np.int64).astype(np.uint64) * np.uint64(factor)
        for a, b, factor in zip(box.start, box.stop, _AXIS_FACTORS)
    )
    z += np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
    bits = (z[:, None] + y)[:, :, None] + x
    for shift, factor in _MIX:
        bits ^= bits >> np.uint64(shift)
        bits *= np.uint64(factor)
    bits ^= bits >> np.uint64(31)
    total = sum((bits >> np.uint64(s) & np.uint64(0xFFFF)).astype(np.float32) for s in (0, 16, 32, 48))
    return (np.asarray(total, np.float32) - 131070) * np.float32(np.sqrt(3) / 65536)


def smooth_noise(box: Box, seed: int, sigma: float) -> Floats:
    """White noise after a Gaussian of `sigma` voxels, scaled to variance 1; (z, y, x) float32."""
    margin = int(3 * sigma) + 1
    noise = gaussian_filter(white_noise(box.grow(triple([margin] * 3)), seed), sigma, truncate=3)
    offset = np.arange(-margin, margin + 1)
    kernel = np.exp(-(offset**2) / (2 * sigma**2))
    gain = (np.sqrt(np.sum(kernel**2)) / np.sum(kernel)) ** 3
    inside = slice(margin, -margin)
    return noise[inside, inside, inside] / np.float32(gain)
