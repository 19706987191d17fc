"""VoxelsOnDemand: the voxels of a volume that is too large for memory, read where they are wanted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pipeline.geometry import Box, Slices, Triple, triple

BLOCK: Triple = (64, 64, 64)


@dataclass
class BlockCache:
    """The blocks that were read last, of any number of volumes, as many as go into `most_bytes`."""

    most_bytes: int
    _blocks: OrderedDict[tuple[int, Triple], np.ndarray] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def get(self, owner: int, block: Box, read: Callable[[Box], np.ndarray]) -> np.ndarray:
        """The voxels of a block of `owner`; read if they are not kept."""
        key = owner, block.start
        if key not in self._blocks:
            self._blocks[key] = read(block)
            self._bytes += self._blocks[key].nbytes
            while self._bytes > self.most_bytes and len(self._blocks) > 1:
                self._bytes -= self._blocks.popitem(last=False)[1].nbytes
        self._blocks.move_to_end(key)
        return self._blocks[key]


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
            voxels = self._cache.get(id(self), block, self._read)
            found[part.slices(wanted.start)] = voxels[part.slices(block.start)]
        return found
