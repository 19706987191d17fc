"""The segments of a cell, read from the volume."""

from __future__ import annotations

import numpy as np

from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.volumes import open_volume


def labels_of(run: Run, reach: Box) -> np.ndarray:
    """The volume's ids in a box, uint64 (z, y, x), 0 where it is outside."""
    labels = np.zeros(reach.shape, np.uint64)
    inside = reach & run.inference_box
    volume = open_volume(run.volume_uri)
    labels[inside.slices(reach.start)] = volume.read(inside)
    return labels
