"""The look of the phantom: grey values from where membranes and organelles are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box
from pipeline.synthetic.noise import Floats, Waves, smooth_noise, voxel_axes

CYTOPLASM, MITOCHONDRION, MEMBRANE = 158, 95, 70
"""Grey values before the contrast is set."""

MEAN, CONTRAST = 131, 1.12
"""What brings the image near the mean of 128 and standard deviation of 33 of FIB-SEM."""

UNEVEN_LIGHT, UNEVEN_CONTRAST = 16, 0.1
"""Standard deviations of the brightness, in grey values, and of the contrast from place to place."""

MEMBRANE_SIGMA = 1.1
"""Half-width of a membrane's dark profile, in voxels: it is 2 to 3 voxels thick."""

GAP_SIZE, GAP_FROM, GAP_SLOPE, FAINTEST = 1.2, 2.8, 2, 0.3
"""Membranes fade where a noise smooth over `GAP_SIZE` voxels exceeds `GAP_FROM` standard deviations, by
`GAP_SLOPE` for each further one, down to the `FAINTEST` fraction of their contrast: holes of some voxels."""

TONE = 16
"""Standard deviation of the grey value from process to process."""

GRAIN, NOISE = 4, 6
"""Standard deviations of the cytoplasm's grain and of the noise, in grey values."""


@dataclass(frozen=True)
class Geometry:
    """Where things are in a block: labels, and distances (voxels) outwards from the nearest surfaces.

    `to_membrane` is 0 on the border of two processes; the others are negative inside and infinite far off.
    """

    labels: NDArray[np.uint32]
    to_membrane: Floats
    to_mitochondrion: Floats
    to_microtubule: Floats


class Texture:
    """Renders blocks; `rng` decides where vesicles are many and the light is uneven."""

    def __init__(self, rng: np.random.Generator, seed: int, n_labels: int) -> None:
        self._grain, self._specks, self._noise, self._gaps = (4 * seed + i for i in range(4))
        self._tone = rng.normal(0, TONE, n_labels + 1).astype(np.float32)
        self._vesicles = Waves(rng, wavelength=60)
        self._contrast = Waves(rng, wavelength=200)
        self._brightness = Waves(rng, wavelength=200)

    def render(self, block: Box, here: Geometry) -> NDArray[np.uint8]:
        """The image of `block`, (z, y, x) uint8."""
        axes = voxel_axes(block)
        level = CYTOPLASM + self._tone[here.labels] + GRAIN * smooth_noise(block, self._grain, 1.2)
        level = self._with_organelles(block, here, level)
        gaps = smooth_noise(block, self._gaps, GAP_SIZE) - GAP_FROM
        visible = np.clip(1 - GAP_SLOPE * gaps, FAINTEST, 1)
        level += (MEMBRANE - level) * visible * _bump(here.to_membrane, MEMBRANE_SIGMA)
        contrast = CONTRAST * (1 + UNEVEN_CONTRAST * self._contrast(axes))
        level = 128 + (level - MEAN) * contrast + UNEVEN_LIGHT * self._brightness(axes)
        shot = NOISE * np.sqrt(np.clip(level, 20, None) / 128)
        level += shot * smooth_noise(block, self._noise, 0.5)
        return np.clip(np.rint(level), 0, 255).astype(np.uint8)

    def _with_organelles(self, block: Box, here: Geometry, level: Floats) -> Floats:
        """`level` with vesicles, microtubules and mitochondria, all clear of the membranes."""
        inside = np.clip((here.to_membrane - 2) / 1.5, 0, 1)
        many = 0.6 * self._vesicles(voxel_axes(block))
        vesicles = np.clip(smooth_noise(block, self._specks, 1.4) - 2.2 + many, 0, 1)
        level = level - inside * (55 * vesicles + 28 * _bump(np.maximum(here.to_microtubule, 0), 0.8))
        matrix = np.clip(0.5 - here.to_mitochondrion, 0, 1)
        level += inside * matrix * (MITOCHONDRION - level)
        return level - 25 * inside * _bump(here.to_mitochondrion, 0.9)


def _bump(distance: Floats, sigma: float) -> Floats:
    """1 at distance 0, falling like a Gaussian."""
    return np.exp(-0.5 * np.square(np.clip(distance, -30, 30) / np.float32(sigma)))
