"""How far a training is and how long it took, by its log."""

from __future__ import annotations

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
