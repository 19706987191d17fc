"""VoxelsOnDemand: the voxels of a volume that is too large for memory, read where they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline.byte_cache import ByteCache
from pipeline.geometry import Box, Slices, Triple, triple

BLOCK: Triple = (64, 64, 64)


BlockCache = ByteCache[tuple[int, Triple]]
"""Of the blocks of any number of volumes, by volume and start."""


class VoxelsOnDemand:
    """Stands for the array of a box's voxels, of which parts are taken by slices alone.

    `read` gives the voxels of any part of `box`. Blocks are aligned to the coordinates' origin.
    """

    def __init__(
        self, read: Callable[[Box], np.ndarray], box: Box, dtype: np.dtype, cache: BlockCache
    ) -> None:
        self._read = read
        self._box = box
        self._dtype = dtype
        self._cache = cache

    def __getitem__(self, where: Slices) -> np.ndarray:
        offset = Box(triple([part.start for part in where]), triple([part.stop for part in where]))
        wanted = offset.translate(self._box.start)
        found = np.empty(wanted.shape, self._dtype)
        for part in wanted.blocks(BLOCK):
            start = triple([a - a % n for a, n in zip(part.start, BLOCK)])
            block = Box.of_shape(BLOCK, start) & self._box
            voxels = self._cache.get((id(self), block.start), partial(self._read, block))
            found[part.slices(wanted.start)] = voxels[part.slices(block.start)]
        return found
