"""Given: files that a bucket or a server gave, by which is seen whether it still gives what is there."""

from __future__ import annotations

import itertools
import re


class Given:
    """Of one bucket or server. Files that describe volumes, whose names have no number, are all kept in mind:
    what is refused in the folder of one volume may be given in that of another."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._describing: set[str] = set()

    def note(self, file: str) -> None:
        """Keep in mind that this one was given."""
        self._last = file
        if not re.search(r"\d", file.rpartition("/")[2]):
            self._describing.add(file)

    def beside(self, file: str) -> list[str]:
        """What is given still if all but what is not there is: the last one, and of those that describe
        volumes the one that `file` shares most folders with. Empty where nothing was given."""

        def shared(other: str) -> int:
            pairs = zip(file.split("/"), other.split("/"))
            return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

        nearest = max(tuple(self._describing), key=shared, default=self._last)
        return [known for known in {nearest, self._last} if known is not None]
