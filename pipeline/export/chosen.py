"""ChosenVolume: some segments of a segmentation, without all others."""

from __future__ import annotations

from collections.abc import Collection

import fastremap
import numpy as np

from pipeline.geometry import Box
from pipeline.volumes import Volume


class ChosenVolume(Volume):
    """`segmentation` where it has one of the `ids`; 0 elsewhere. `absent` are those not met so far."""

    def __init__(self, segmentation: Volume, ids: Collection[int]) -> None:
        super().__init__(
            segmentation.uri,
            segmentation.format,
            segmentation.shape,
            segmentation.dtype,
            segmentation.frame,
            segmentation.chunk,
        )
        self.may_be_empty = segmentation.may_be_empty
        self.absent = set(ids)
        self._segmentation = segmentation
        self._ids = list(ids)

    @property
    def stamp(self) -> str:
        return self._segmentation.stamp

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return self._segmentation._stored(chunks)

    def _load(self, box: Box) -> np.ndarray:
        chosen = fastremap.mask_except(self._segmentation.read(box.translate(self.frame.origin)), self._ids)
        if self.absent:
            self.absent -= set(fastremap.unique(chosen).tolist())
        return chosen
