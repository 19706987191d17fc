"""What of a run was found finished: looked at once, however many ask.

To look at a result is to work out its recipe and to read its record: most of what the start of a large run
takes. Until its tasks are submitted an older attempt may have made something anew; then the record is another
file.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.results.artifacts import Artifact
from pipeline.results.records import RECORD
from pipeline.results.times import Touched
from pipeline.results.unreadable import ABSENT, reading


class Finished:
    """Results of one run, each by the number of its task in the order in which these are submitted."""

    def __init__(self) -> None:
        self._results: dict[int, tuple[Artifact, int]] = {}
        self.looked_into: set[int] = set()
        """Groups (`group_records`) of whose tasks some were looked at one by one, and might not be again."""
        self.touched: list[Touched] = []
        """Files of these results that had to be read for their time of change."""

    def note(self, number: int, result: Artifact, stamp: int) -> None:
        """A result that was found; `stamp` is the `record_stamp` from before its record was read."""
        self._results[number] = result, stamp

    def copy(self) -> Finished:
        """The same results; what is noted there is not noted here."""
        other = Finished()
        other._results = self._results.copy()
        return other

    def stamp(self, number: int) -> int | None:
        """The stamp that was noted with the result of the task of this number."""
        noted = self._results.get(number)
        return noted[1] if noted else None

    def found(self, number: int) -> Artifact | None:
        """The result of the task of this number as it was found."""
        noted = self._results.get(number)
        return noted[0] if noted else None

    def still(self, number: int) -> Artifact | None:
        """As `found`, but None where its record is another file by now. Raises Unreadable."""
        noted = self._results.get(number)
        return noted[0] if noted and record_stamp(noted[0].path) == noted[1] else None


def record_stamp(path: Path | str) -> int:
    """What tells the record of the artifact at `path` from any that comes after it, and from itself once it
    is edited: nobody can set back the time of that. Raises Unreadable.
    """
    name = f"{path}{RECORD}"
    try:
        with reading(name):
            status = os.stat(name)
    except ABSENT:
        return 0
    return hash((status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
