"""A small image with its segments, in anisotropic voxels and boxes that are not at zero."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.geometry import Box, Triple
from tests.pipeline.volumes.writers_precomputed import write_precomputed

SIZE_NM = (40.0, 8.0, 4.0)
IMAGE_BOX = Box((20, 100, 300), (44, 180, 460))
SEGMENTED_BOX = Box((26, 110, 320), (42, 170, 440))
OBJECTS = {7: Box((28, 114, 330), (34, 150, 380)), 2**40 + 1: Box((36, 130, 392), (41, 166, 436))}
"""By id, all within SEGMENTED_BOX; the image is white where they are, and black elsewhere."""


@dataclass(frozen=True)
class Case:
    """Names of the volumes as a user gives them."""

    folder: Path
    image: str
    segmentation: str
    truth: str


def ids_in(box: Box) -> np.ndarray:
    """The objects as uint64 over `box`, z, y, x."""
    ids = np.zeros(box.shape, np.uint64)
    for i, where in OBJECTS.items():
        ids[(where & box).slices(box.start)] = i
    return ids


def image_in(box: Box) -> np.ndarray:
    return np.where(ids_in(box) != 0, 255, 0).astype(np.uint8)


def write_case(folder: Path) -> Case:
    """Image and truth in HDF5, the segmentation as precomputed, each with its own place."""
    with h5py.File(folder / "em.h5", "w") as file:
        for name, array in (("image", image_in(IMAGE_BOX)), ("truth", ids_in(IMAGE_BOX).astype(np.int64))):
            file[name] = array
            file[name].attrs["resolution"] = SIZE_NM
            file[name].attrs["offset"] = [o * size for o, size in zip(IMAGE_BOX.start, SIZE_NM)]
    inside = ids_in(SEGMENTED_BOX)
    start: Triple = SEGMENTED_BOX.start
    segmentation = write_precomputed(folder, inside, start, SIZE_NM, chunk=(8, 32, 32))
    info = folder / "precomputed" / "info"
    info.write_text(info.read_text().replace('"type": "image"', '"type": "segmentation"'))
    return Case(folder, f"{folder / 'em.h5'}:image", segmentation, f"{folder / 'em.h5'}:truth")
