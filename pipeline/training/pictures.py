"""Pictures of what a training does to a FOV, for TensorBoard: image, truth, and the POM before and after."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from scipy.special import expit

from pipeline.results.attempts import fence

import tensorflow as tf  # isort: skip

GAP = 2
"""White columns between two parts of a picture."""

CONTRAST = 3.0
"""Standard deviations from black to the mean of the image, and from there to white."""


def side_by_side(inputs: np.ndarray, labels: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The section through the middle of a FOV, (y, x) uint8: image, truth, POM before, POM after.

    `inputs` is (z, y, x, 2), image and POM, `labels` and `after` are (z, y, x, 1), as a step takes and gives
    them. Probabilities are black at 0 and white at 1; truth that nobody knows is grey.
    """
    middle = len(inputs) // 2
    image, before = inputs[middle, ..., 0], inputs[middle, ..., 1]
    truth = labels[middle, ..., 0]
    parts = [
        np.clip(image / CONTRAST, -1, 1) / 2 + 0.5,
        np.where(truth < 0, 0.5, truth),
        expit(before),
        expit(after[middle, ..., 0]),
    ]
    gap = np.ones((len(image), GAP))
    whole = np.concatenate([part for p in parts for part in (p, gap)][:-1], axis=1)
    return np.round(255 * whole).astype(np.uint8)


class Pictures:
    """Adds pictures to TensorBoard's file in a folder, in a thread of its own: no step waits for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._writer: tf.summary.SummaryWriter | None = None
        self._last: Future[None] | None = None

    def add(self, step: int, picture: np.ndarray) -> None:
        """Have a picture written; raises what the one before it has met, Superseded among it."""
        self.finish()
        self._last = self._thread.submit(self._write, step, picture)

    def finish(self) -> None:
        """Wait for what is being written."""
        if self._last is not None:
            self._last.result()

    def _write(self, step: int, picture: np.ndarray) -> None:
        with fence():
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self._folder))
            with self._writer.as_default(step=step):
                tf.summary.image("image, truth, POM before and after", picture[None, ..., None])
            self._writer.flush()
