"""AgglomeratedVolume: a segmentation as its agglomeration says which of its segments are one."""

from __future__ import annotations

import numpy as np

from pipeline.geometry import Box
from pipeline.results.agglomerated_ids import AgglomeratedIds
from pipeline.volumes import Volume


class AgglomeratedVolume(Volume):
    """`segmentation` under the ids of `table`, uint64; made when it is read."""

    def __init__(self, segmentation: Volume, table: AgglomeratedIds) -> None:
        super().__init__(
            segmentation.uri,
            "agglomerated",
            segmentation.shape,
            np.dtype(np.uint64),
            segmentation.frame,
            segmentation.chunk,
        )
        self._segmentation = segmentation
        self._table = table

    @property
    def stamp(self) -> str:
        return self._segmentation.stamp

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return self._segmentation._stored(chunks)

    def _load(self, box: Box) -> np.ndarray:
        return self._table.of(self._segmentation.read(box.translate(self.frame.origin)))
