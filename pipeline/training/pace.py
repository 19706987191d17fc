"""How far a training is and how long it took, by its log."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def fovs_and_seconds(lines: Iterable[Mapping[str, Any]], after: int = 0) -> tuple[int, float]:
    """The FOVs that were seen from `after` so many on to the last line, and the seconds that they took.

    A line has the rate since the one before it, so that the time between two attempts does not count. Lines
    of another version are left out.
    """
    seen, seconds = after, 0.0
    for line in lines:
        if line.get("fovs_per_s") and line.get("fovs_seen", 0) > seen:
            seconds += (line["fovs_seen"] - seen) / line["fovs_per_s"]
            seen = line["fovs_seen"]
    return seen - after, seconds


def share_of_waiting(lines: Iterable[Mapping[str, Any]]) -> float | None:
    """The part of the time, 0 to 1, in which networks waited for input; None where no line says so."""
    waited = spent = 0.0
    for line in lines:
        if "input_wait_share" in line and line.get("step_s"):
            # intervals are of equal numbers of steps, but for the last of a round
            waited += line["input_wait_share"] * line["step_s"]
            spent += line["step_s"]
    return waited / spent if spent else None


def f1_of_last_tenth(lines: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean F1 of the intervals that ended in the last tenth of the FOVs, and in which examples did.

    None where nothing is left; there is a line.
    """
    begins = 0.9 * lines[-1]["fovs_seen"]
    counted = [line["f1"] for line in lines if line["fovs_seen"] > begins and has_scores(line)]
    return statistics.fmean(counted) if counted else None


def has_scores(line: Mapping[str, Any]) -> bool:
    """Whether an example ended in the interval of a line: where a round begins, it may be that none did.

    The line then has None as its scores, or, by an earlier version, 0, which no accuracy is.
    """
    return bool(line["accuracy"])


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
