"""PlacedVolume: a volume that covers only a part of the image."""

from __future__ import annotations

import numpy as np

from pipeline.geometry import Box, Triple
from pipeline.volumes.volume import Volume


class PlacedVolume(Volume):
    """`volume`, its first voxel lying at `start` of the coordinates that its reader uses."""

    def __init__(self, volume: Volume, start: Triple) -> None:
        super().__init__(volume.uri, volume.shape, volume.dtype, volume.voxel_size_nm)
        self._volume = volume
        self._start = start

    @property
    def identity(self) -> str:
        return f"{self._volume.identity} at {self._start}"

    @property
    def box(self) -> Box:
        return Box.of_shape(self.shape, self._start)

    def _load(self, box: Box) -> np.ndarray:
        z, y, x = self._start
        return self._volume.read(box.translate((-z, -y, -x)))
