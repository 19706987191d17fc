"""TrainingVolume: what examples are cut out of, held in memory or read where it is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import fastremap
import numpy as np

from pipeline.geometry import Box, Slices, Triple
from pipeline.run_folder import Run
from pipeline.training.on_demand import BlockCache, VoxelsOnDemand, block_of
from pipeline.training.unknown import unknown_voxels
from pipeline.volumes import open_image, open_labels

LABEL_BYTES = 4
"""Of a label that is held, renumbered; its mask has one more."""


class Voxels(Protocol):
    """An array, or what stands for one, of which parts are taken."""

    def __getitem__(self, where: Slices, /) -> np.ndarray: ...


@dataclass(frozen=True)
class TrainingVolume:
    """Image and labels of a training box: (z, y, x) arrays over `box`."""

    box: Box
    image: Voxels
    labels: Voxels
    image_mean: float
    image_stddev: float
    ignored: Voxels | None = None
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


def open_training_volumes(run: Run) -> list[TrainingVolume]:
    """The run's own volume and its `training.volumes`, each over its training box.

    They are read now where all go into `training.cache_gib`; else blocks are read when they are wanted, and
    kept as far as they go into that. Raises InputError where they cannot be read.
    """
    most_bytes = int(run.config.training.cache_gib * 2**30)
    wanted = sum(
        _box_of(one).size * (open_image(one).dtype.itemsize + LABEL_BYTES + 1) for one in run.trained_on
    )
    if wanted <= most_bytes:
        return [_held(one) for one in run.trained_on]
    cache = BlockCache(most_bytes)
    return [_on_demand(one, cache, most_bytes) for one in run.trained_on]


def _held(run: Run) -> TrainingVolume:
    box, volume = _box_of(run), open_labels(run)
    # only equality of labels counts, and small numbers need less memory than ids of 64 bits
    labels, _ = fastremap.renumber(volume.read_filled(box), preserve_zero=True, in_place=True)
    ignored = unknown_voxels(run)(box)
    image = open_image(run).read(box)
    return TrainingVolume(box, image, labels, *run.normalisation, ignored if ignored.any() else None)


def _on_demand(run: Run, cache: BlockCache, most_bytes: int) -> TrainingVolume:
    box, image, labels = _box_of(run), open_image(run), open_labels(run)
    of_labels = block_of(labels, most_bytes)
    return TrainingVolume(
        box,
        VoxelsOnDemand(image.read, box, image.dtype, cache, block_of(image, most_bytes)),
        VoxelsOnDemand(labels.read_filled, box, labels.dtype, cache, of_labels),
        *run.normalisation,
        VoxelsOnDemand(unknown_voxels(run), box, np.dtype(bool), cache, of_labels),
    )


def _box_of(run: Run) -> Box:
    box = run.config.training.box
    assert box is not None, "a resolved configuration has a training box"
    return box
