"""How far a training is and how long it took, by its log."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any


def fovs_and_seconds(lines: Iterable[Mapping[str, Any]]) -> tuple[int, float]:
    """The FOVs that were seen by the last line, and the seconds that all of them took.

    A line has the rate since the one before it, so that the time between two attempts does not count. Lines
    of another version are left out.
    """
    seen, seconds = 0, 0.0
    for line in lines:
        if line.get("fovs_per_s") and "fovs_seen" in line:
            seconds += (line["fovs_seen"] - seen) / line["fovs_per_s"]
            seen = line["fovs_seen"]
    return seen, seconds


def step_seconds(lines: Iterable[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Mean and standard deviation of a step's seconds; all intervals of a log count alike.

    The first interval is left out, in which TensorFlow warms up, where there are others; so are lines of
    another version. None where there is no line.
    """
    timed = [
        (line["step_s"], line["step_s_std"]) for line in lines if {"step_s", "step_s_std"} <= line.keys()
    ]
    if not timed:
        return None
    means, deviations = zip(*(timed[1:] or timed))
    within = statistics.fmean(deviation**2 for deviation in deviations)
    return statistics.fmean(means), math.sqrt(within + statistics.pvariance(means))
