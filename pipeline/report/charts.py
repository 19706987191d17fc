"""Line charts as numbers: what a page needs to draw one, with its ticks, and nothing of how it looks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

MOST_POINTS = 400
TICKS = 5


def line_chart(
    x: Sequence[float], series: Mapping[str, Sequence[float | None]], at_most: float | None = None
) -> dict[str, Any]:
    """Lines over `x`, from 0 to `at_most` (None: to the largest value), with round ticks on both axes.

    Where a series has None its line goes on to its next value. Of very many points only some are kept, evenly
    spread, the last one always.
    """
    step = max(1, -(-len(x) // MOST_POINTS))
    kept = {*range(0, len(x), step), len(x) - 1}
    known = {name: [(i, y) for i, y in enumerate(values) if y is not None] for name, values in series.items()}
    top = at_most or max((y for points in known.values() for _, y in points), default=0.0) or 1.0
    return {
        "x_most": max(x),
        "y_most": top,
        "x_ticks": ticks(max(x)),
        "y_ticks": ticks(top),
        "series": [
            {"name": name, "points": [[x[i], y] for i, y in points if i in kept]}
            for name, points in known.items()
        ],
    }


def ticks(most: float) -> list[float]:
    """About five round numbers from 0 up to `most`."""
    if not most > 0:
        return [0]
    raw = most / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    return [round(i * step, 12) for i in range(int(most / step * (1 + 1e-9)) + 1)]
