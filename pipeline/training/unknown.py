"""What has no part in a training: voxels that nobody knows, and those that are said not to count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.volumes import Volume, open_labels, open_mask

Read = Callable[[Box], np.ndarray]


def unknown_voxels(run: Run) -> Read:
    """Tells which voxels of a box have no part in the loss, (z, y, x) bool.

    Their label says that they are not labelled, or data.loss_mask is 0 there or does not cover them. Raises
    InputError where the volumes cannot be opened, and when it is called where they cannot be read.
    """
    labels, mask = open_labels(run), open_mask(run, "loss_mask")
    if mask is None:
        return labels.ignored
    return lambda box: labels.ignored(box) | _masked(mask, box)


def labels_to_draw_from(run: Run) -> Read:
    """Gives the labels of a box, (z, y, x) uint64, 0 where data.loss_mask lets nothing count.

    Objects go on between the sections of `data.labelled_sections`: were examples centred in these alone, no
    FOV that a flood begins with would ever have others in its middle. Raises as `unknown_voxels` does.
    """
    labels, mask = open_labels(run), open_mask(run, "loss_mask")
    if mask is None:
        return labels.read_filled
    return lambda box: np.where(_masked(mask, box), 0, labels.read_filled(box))


def _masked(mask: Volume, box: Box) -> np.ndarray:
    masked = np.ones(box.shape, bool)
    covered = box & mask.box
    if not covered.is_empty:
        masked[covered.slices(box.start)] = mask.read(covered) == 0
    return masked
