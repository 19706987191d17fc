"""InputClock: how much of a rank's time passes while its network waits for examples."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class InputClock:
    """Adds up what is spent inside `waiting`, and by how much input was late."""

    def __init__(self) -> None:
        self._waited_s = 0.0
        self._began = time.monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Make input in this context."""
        began = time.monotonic()
        yield
        self._waited_s += time.monotonic() - began

    def add(self, late_s: float) -> None:
        """The next input was there so long after it could have been used; before, where that is negative."""
        self._waited_s += max(0.0, late_s)

    def share(self) -> float:
        """The part of the time since it was asked last, 0 to 1, in which the network waited."""
        now = time.monotonic()
        share = self._waited_s / max(now - self._began, 1e-9)
        self._waited_s, self._began = 0.0, now
        return share
