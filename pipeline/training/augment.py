"""Patches of examples changed at random as serial sections are: in brightness, focus and place, or lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pipeline.config import Augmentation

BEND = 16
"""Voxels between the points by which a patch is bent."""


@dataclass(frozen=True)
class Patch:
    """(z, y, x) arrays around an example's centre."""

    image: np.ndarray
    """float32, normalised."""
    inside: np.ndarray
    """Whether a voxel belongs to the object at the centre; bool."""
    ignored: np.ndarray | None = None
    """Whether nobody knows what lies there; bool. None: nowhere."""

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Patch:
        """The patch with all its arrays given to `move`."""
        ignored = None if self.ignored is None else move(self.ignored)
        return Patch(move(self.image), move(self.inside), ignored)


def augment(patch: Patch, settings: Augmentation, black: float, rng: np.random.Generator) -> Patch:
    """The patch, changed as the settings say; what is missing has the value `black`.

    The centre stays in its object: the section through it is neither shifted nor missing. Equal random
    numbers give equal patches.
    """
    if settings.elastic:
        patch = patch.moved(_bend(patch.image.shape, settings.elastic, rng))
    sections = len(patch.image)
    beside = np.arange(sections) != sections // 2
    if settings.shifted:
        chosen = beside & (rng.random(sections) < settings.shifted)
        shifts = rng.integers(-settings.max_shift, settings.max_shift + 1, (sections, 2))
        patch = patch.moved(_shift(np.where(chosen[:, None], shifts, 0)))
    image = patch.image
    if settings.contrast or settings.brightness:
        gain, offset = rng.uniform(-1, 1, (2, sections, 1, 1))
        image = image * (1 + settings.contrast * gain) + settings.brightness * offset
    if settings.blurred:
        image = _blurred(image, rng.random(sections) < settings.blurred, settings.max_blur, rng)
    if settings.missing:
        lost = beside & (rng.random(sections) < settings.missing)
        image = np.where(lost[:, None, None], black, image)
    return replace(patch, image=image.astype(np.float32, copy=False))


def _shift(shifts: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Moves section z by `shifts[z]` voxels along y and x; what enters repeats the edge."""

    def move(array: np.ndarray) -> np.ndarray:
        moved = array.copy()
        for z in np.flatnonzero(shifts.any(axis=1)):
            y, x = (np.clip(np.arange(n) - s, 0, n - 1) for n, s in zip(array.shape[1:], shifts[z]))
            moved[z] = array[z][np.ix_(y, x)]
        return moved

    return move


def _bend(
    shape: tuple[int, ...], voxels: float, rng: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """Moves what lies at points BEND apart by up to `voxels` along y and x, and what lies between smoothly.

    The centre stays where it is.
    """
    points = [n // BEND + 2 for n in shape]
    at = np.meshgrid(*(np.linspace(0, p - 1, n) for p, n in zip(points, shape)), indexing="ij")
    places = [index.astype(np.float32) for index in np.indices(shape)]
    for axis in (1, 2):
        by = ndimage.map_coordinates(rng.uniform(-voxels, voxels, points), at, order=3, mode="nearest")
        places[axis] += by - by[tuple(n // 2 for n in shape)]

    def move(array: np.ndarray) -> np.ndarray:
        order = 0 if array.dtype == bool else 1
        return ndimage.map_coordinates(array, places, order=order, mode="nearest")

    return move


def _blurred(image: np.ndarray, chosen: np.ndarray, most: float, rng: np.random.Generator) -> np.ndarray:
    blurred = image.copy()
    for z, sigma in enumerate(rng.uniform(0, most, len(image))):
        if chosen[z]:
            blurred[z] = ndimage.gaussian_filter(image[z], sigma, mode="nearest")
    return blurred
