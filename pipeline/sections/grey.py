"""Mean and standard deviation of grey values, in little memory."""

from __future__ import annotations

import numpy as np

ROWS_AT_ONCE = 256


def mean_and_stddev(values: np.ndarray) -> tuple[float, float]:
    """Of an image (y, x) of any size, in float64; no more than some rows are converted at a time."""
    strips = [values[row : row + ROWS_AT_ONCE] for row in range(0, len(values), ROWS_AT_ONCE)]
    mean = sum(float(strip.sum(dtype=np.float64)) for strip in strips) / values.size
    squares = sum(float(np.square(strip - mean).sum()) for strip in strips)
    return mean, float(np.sqrt(squares / values.size))
