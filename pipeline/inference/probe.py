"""Probe: what one seed floods among objects that are there already, and how sure the network is of it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from pipeline.config import Inference
from pipeline.geometry import Box, Triple, triple
from pipeline.inference.canvas import UNSEGMENTED, Canvas
from pipeline.inference.engines import Engine


@dataclass(frozen=True)
class Flooded:
    """What a seed has flooded."""

    mask: np.ndarray
    """(z, y, x) bool over the block: in the object, and free before."""
    deleted_voxels: int
    """Voxels that a call took out of the object again, added up over all calls."""
    calls: int


class Probe(Canvas):
    """A canvas that floods single seeds and keeps none of their objects.

    `image` is the normalised (z, y, x) float32 image; `taken`, bool of its shape, are the voxels of other
    objects, where no FOV may be centred.
    """

    def __init__(
        self, image: np.ndarray, taken: np.ndarray, fov: Triple, deltas: Triple, settings: Inference
    ) -> None:
        super().__init__(image, fov, deltas, settings)
        self.segmentation[taken] = 1
        self._fovs = np.empty((1, *fov, 2), np.float32)
        self._deleted = 0

    @property
    def centres(self) -> Box:
        """Where a FOV may be centred, in voxels of the block."""
        return Box(self._first, triple([n + 1 for n in self._last]))

    def flood(self, seed: Triple, engine: Engine) -> Flooded:
        """Flood from a free voxel on which a FOV may be centred. Raises NotFinite."""
        self._deleted = 0
        requests = self._flood(seed, self._fovs[0])
        try:
            next(requests)
            while True:
                requests.send(engine.predict(self._fovs)[0, ..., 0])
        except StopIteration as end:
            reached, calls = end.value
        here, mask = reached.slices(), np.zeros(self.segmentation.shape, bool)
        if self._pom[seed] >= self._move_threshold:
            mask[here] = (self._pom[here] >= self._segment_threshold) & (
                self.segmentation[here] <= UNSEGMENTED
            )
        self._pom[here] = np.nan
        return Flooded(mask, self._deleted, calls)

    def _update_at(self, where: Box, fov: np.ndarray) -> Generator[None, np.ndarray, np.ndarray]:
        inside = self._pom[where.slices()] >= self._segment_threshold  # NaN, not yet seen, is not
        logits = yield from super()._update_at(where, fov)
        self._deleted += int(np.count_nonzero(inside & (logits < self._segment_threshold)))
        return logits
