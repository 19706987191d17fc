"""How long the steps of a training take, and how unlike each other they are."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager


class StepTimes:
    """Seconds of one rank's steps since the last report."""

    def __init__(self) -> None:
        self._began = 0.0
        self._seconds: list[float] = []
        self._waited_s = 0.0

    def begin(self) -> None:
        """A step begins."""
        self._began = time.monotonic()

    def end(self) -> None:
        """The step that was begun last has ended."""
        self._seconds.append(time.monotonic() - self._began)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for other ranks in this context."""
        began = time.monotonic()
        yield
        self._waited_s += time.monotonic() - began

    @property
    def busy_s(self) -> float:
        """Seconds of all steps since the last report in which nothing was waited for."""
        return sum(self._seconds) - self._waited_s

    def take(self, fovs_per_step: int) -> dict[str, float]:
        """FOVs a second, and mean and standard deviation of a step's seconds, since the last call."""
        seconds, self._seconds, self._waited_s = self._seconds, [], 0.0
        mean = statistics.fmean(seconds)
        return {
            "fovs_per_s": round(fovs_per_step / max(mean, 1e-9), 2),
            "step_s": round(mean, 6),
            "step_s_std": round(statistics.pstdev(seconds, mean), 6),
        }
