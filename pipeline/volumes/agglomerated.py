"""AgglomeratedVolume: a segmentation as its agglomeration says which of its segments are one."""

from __future__ import annotations

import numpy as np

from pipeline.geometry import Box
from pipeline.results.agglomerated_ids import AgglomeratedIds
from pipeline.volumes.derived import DerivedVolume
from pipeline.volumes.volume import Volume


class AgglomeratedVolume(DerivedVolume):
    """`segmentation` under the ids of `table`, uint64; made when it is read."""

    def __init__(self, segmentation: Volume, table: AgglomeratedIds) -> None:
        super().__init__(segmentation, np.dtype(np.uint64), "agglomerated")
        self._table = table

    def _load(self, box: Box) -> np.ndarray:
        return self._table.of(self.source.read(box.translate(self.frame.origin)))
