"""FilledVolume: a segmentation whose blank voxels have a segment, made when it is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from pipeline.geometry import Box, Triple
from pipeline.volumes import Volume
from pipeline.volumes.derived import DerivedVolume

BLOCK: Triple = (128, 128, 128)
"""Filled at a time, and counted from the segmentation's first voxel, so that a voxel has the same id in every
box that is read."""
KEPT = 16
"""Blocks, the last ones that were read: 300 MB of ids of 64 bits."""

Fill = Callable[[Box], tuple[np.ndarray, np.ndarray]]
"""The ids of a block, as they are and filled, (z, y, x)."""


class FilledVolume(DerivedVolume):
    """`segmentation` as `fill` makes it, block by block. `blank` and `filled` count voxels of what was read:
    those without a segment, and of these those that have been given one."""

    def __init__(self, segmentation: Volume, fill: Fill) -> None:
        super().__init__(segmentation)
        self._fill = fill
        self._block = lru_cache(maxsize=KEPT)(self._filled)
        self.blank = 0
        self.filled = 0

    def _load(self, box: Box) -> np.ndarray:
        wanted = box.translate(self.frame.origin)
        labels = np.empty(wanted.shape, self.dtype)
        for block in self.box.whole_parts(BLOCK, wanted):
            part = block & wanted
            blank, filled = (voxels[part.slices(block.start)] for voxels in self._block(block))
            labels[part.slices(wanted.start)] = filled
            self.blank += int(np.count_nonzero(blank))
            self.filled += int(np.count_nonzero(filled[blank]))
        return labels

    def _filled(self, block: Box) -> tuple[np.ndarray, np.ndarray]:
        """Which voxels of a block are blank, and its ids; what was read around it is not kept with them."""
        stored, filled = self._fill(block)
        return stored == 0, filled.copy()
