"""The points of a volume at which sections are compared."""

from __future__ import annotations

import numpy as np

from pipeline.geometry import Box

FEWEST_POINTS = 6
"""With fewer, an affine map through them says nothing of any of them."""


def grid(box: Box, spacing: int) -> tuple[np.ndarray, np.ndarray]:
    """The y and the x of the points in `box`: every `spacing` pixels, half of that from its edge."""
    _, *starts = box.start
    _, *stops = box.stop
    y, x = (np.arange(start + spacing // 2, stop, spacing) for start, stop in zip(starts, stops))
    return y, x
