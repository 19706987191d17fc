"""Line charts as numbers: what a page needs to draw one, with its ticks, and nothing of how it looks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

MOST_POINTS = 400
TICKS = 5


def line_chart(
    x: Sequence[float],
    series: Mapping[str, Sequence[float | None]],
    at_most: float | None = None,
    of_places: bool = False,
) -> dict[str, Any]:
    """Lines over `x`, from 0 to `at_most` (None: to the largest value), with round ticks on both axes.

    Where a series has None its line goes on to its next value. Of very many values of a series only some are
    kept, evenly spread, the last one always. Where `of_places` the axis begins at the least `x`, not at 0,
    and of neighbours the largest value is kept.
    """
    known = {name: [[at, y] for at, y in zip(x, values) if y is not None] for name, values in series.items()}
    top = at_most or max((y for points in known.values() for _, y in points), default=0.0) or 1.0
    least = min(x) if of_places else 0.0
    return {
        "x_least": least,
        "x_most": max(x),
        "y_most": top,
        "x_ticks": ticks(max(x), least),
        "y_ticks": ticks(top),
        "series": [{"name": name, "points": _some(points, of_places)} for name, points in known.items()],
    }


def _some(points: Sequence[list[float]], largest: bool) -> list[list[float]]:
    """At most MOST_POINTS of a line: of as many neighbours the first, and the last of all, or the largest."""
    step = max(1, -(-len(points) // MOST_POINTS))
    groups = [points[i : i + step] for i in range(0, len(points), step)]
    if largest:
        return [max(group, key=lambda point: point[1]) for group in groups]
    return [*(group[0] for group in groups[:-1]), *points[-1:]]


def ticks(most: float, least: float = 0.0) -> list[float]:
    """About five round numbers from `least` up to `most`."""
    if not most > least:
        return [least]
    raw = (most - least) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]
