"""Files that are as their records say, but for the time of change: a run folder was copied without its times.

Such a file has to be read before it counts. Once it was, it gets back the time that its record has, so that
the next look need not read it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from pipeline.results.attempts.fencing import fence


class Touched(NamedTuple):
    """A file that was read and is as recorded."""

    path: str
    changed_ns: int
    """When anything of it was last changed (ctime), as seen before it was read."""
    recorded_ns: int
    """The time of change in its record."""


def set_times_back(touched: Iterable[Touched]) -> None:
    """For a start: give files the recorded times, but for those that were changed since they were seen, or
    that belong to somebody else. Raises Superseded and Unreadable.
    """
    for path, changed_ns, recorded_ns in touched:
        with suppress(OSError), fence():
            now = os.stat(path)
            if now.st_ctime_ns == changed_ns:
                os.utime(path, ns=(now.st_atime_ns, recorded_ns))
