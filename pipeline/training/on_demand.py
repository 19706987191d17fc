"""VoxelsOnDemand: the voxels of a volume that is too large for memory, read where they are wanted."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline.byte_cache import ByteCache
from pipeline.geometry import Box, Slices, Triple, triple
from pipeline.volumes import Volume

BLOCK = Box.of_shape((64, 64, 64))
LEAST_KEPT = 16
"""Blocks that go into the memory that there is, at least."""

BlockCache = ByteCache[tuple[int, Triple]]
"""Of the blocks of any number of volumes, by volume and start."""


class VoxelsOnDemand:
    """Stands for the array of a box's voxels, of which parts are taken by slices alone.

    `read` gives the voxels of any part of `box`. What is kept are blocks like `block`, beside each other.
    """

    def __init__(
        self,
        read: Callable[[Box], np.ndarray],
        box: Box,
        dtype: np.dtype,
        cache: BlockCache,
        block: Box = BLOCK,
    ) -> None:
        self._read = read
        self._box = box
        self._dtype = dtype
        self._cache = cache
        self._block = block

    def __getitem__(self, where: Slices) -> np.ndarray:
        offset = Box(triple([part.start for part in where]), triple([part.stop for part in where]))
        wanted = offset.translate(self._box.start)
        found = np.empty(wanted.shape, self._dtype)
        shape, origin = self._block.shape, self._block.start
        for part in wanted.blocks(shape, origin):
            start = triple([a - (a - o) % n for a, n, o in zip(part.start, shape, origin)])
            block = Box.of_shape(shape, start) & self._box
            voxels = self._cache.get((id(self), block.start), partial(self._read, block))
            found[part.slices(wanted.start)] = voxels[part.slices(block.start)]
        return found


def block_of(volume: Volume, most_bytes: int) -> Box:
    """A block of at least 64 voxels a side, of whole chunks of a volume: each is read whole in any case.

    It is 64 voxels a side where the chunks are so large that few would go into `most_bytes`.
    """
    if volume.chunk is not None:
        shape = triple([-(-side // n) * n for side, n in zip(BLOCK.shape, volume.chunk)])
        if math.prod(shape) * volume.dtype.itemsize * LEAST_KEPT <= most_bytes:
            return Box.of_shape(shape, volume.box.start)
    return BLOCK
