"""ChosenVolume: some segments of a segmentation, without all others."""

from __future__ import annotations

from collections.abc import Collection

import fastremap
import numpy as np

from pipeline.geometry import Box
from pipeline.volumes import Volume
from pipeline.volumes.derived import DerivedVolume


class ChosenVolume(DerivedVolume):
    """`segmentation` where it has one of the `ids`; 0 elsewhere. `absent` are those not met so far."""

    def __init__(self, segmentation: Volume, ids: Collection[int]) -> None:
        super().__init__(segmentation)
        self.absent = set(ids)
        self._ids = [i for i in ids if i <= np.iinfo(self.dtype).max]

    def _load(self, box: Box) -> np.ndarray:
        chosen = fastremap.mask_except(self.source.read(box.translate(self.frame.origin)), self._ids)
        if self.absent:
            self.absent -= set(fastremap.unique(chosen).tolist())
        return chosen
