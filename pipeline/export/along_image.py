"""Give unsegmented voxels a segment by a watershed of the image: segments grow where it is bright first."""

from __future__ import annotations

from collections.abc import Callable

import fastremap
import numpy as np
from scipy.ndimage import binary_dilation

from pipeline.geometry import Box

MARGIN = 32
"""Voxels around a block from which segments grow into it."""

Read = Callable[[Box], np.ndarray]


def fill_along_image(
    read: Read, image: Read, allowed: Read, block: Box, inside: Box
) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a block, as they are and filled, (z, y, x) in the dtype that `read` gives.

    `read` gives the ids of a box, `image` what is bright within objects and dark between, `allowed` bool:
    where segments may grow. They grow over faces of voxels, in the block and MARGIN voxels around it, as far
    as that is `inside`. A blank voxel that none reaches stays 0.
    """
    around = block.grow((MARGIN,) * 3) & inside
    ids, here = read(around), block.slices(around.start)
    filled = watershed_of(ids, image(around), allowed(around))
    return ids[here], filled[here]


def watershed_of(ids: np.ndarray, image: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The ids, (z, y, x), with those of a watershed of the image where they are 0 and `allowed` is true."""
    blank = ids == 0
    grown = blank & allowed
    if not grown.any() or blank.all():
        return ids
    from skimage.segmentation import watershed  # loads much

    segments, names = fastremap.renumber(ids, preserve_zero=True)
    original = np.zeros(1 + int(segments.max()), ids.dtype)
    original[list(names.values())] = list(names)
    beside = binary_dilation(grown) & ~blank  # the others have no part in it, and are most
    dark = -image.astype(np.float32)
    found = watershed(dark, np.where(beside, segments, 0).astype(np.int32), mask=grown | beside)
    return np.where(grown, original[found], ids)
