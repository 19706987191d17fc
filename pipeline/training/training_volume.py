"""TrainingVolume: what examples are cut out of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.geometry import Box, Triple


@dataclass(frozen=True)
class TrainingVolume:
    """Image and labels of the training box, held in memory: (z, y, x) arrays over `box`."""

    box: Box
    image: np.ndarray
    labels: np.ndarray
    image_mean: float
    image_stddev: float
    ignored: np.ndarray | None = None
    """Where nobody knows what lies there, bool; None: nowhere."""

    def patch(self, centre: Triple, radius: Triple) -> tuple[np.ndarray, np.ndarray]:
        """Normalised float32 image around `centre`, and which voxels belong to the object there (bool)."""
        where = Box.of_shape((1, 1, 1), centre).grow(radius).slices(self.box.start)
        image = (self.image[where].astype(np.float32) - self.image_mean) / self.image_stddev
        labels = self.labels[where]
        return image, (labels == labels[radius]) & (labels > 0)

    @property
    def black(self) -> float:
        """What the network is shown where the image is missing, which is read as 0."""
        return -self.image_mean / self.image_stddev

    def ignored_around(self, centre: Triple, radius: Triple) -> np.ndarray | None:
        """Which voxels around `centre` have no part in the loss; None: all have."""
        where = Box.of_shape((1, 1, 1), centre).grow(radius).slices(self.box.start)
        return None if self.ignored is None else self.ignored[where]
