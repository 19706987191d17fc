"""What in a run folder is of an earlier state of the run: it is not shown as what the run has made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.results.records import Missing, read

TOLD = "of an earlier state of this run, and not shown"


@dataclass(frozen=True)
class Before:
    """By default nothing is known to be."""

    stages: Collection[str] = ()
    """Those of which there is nothing to show but what is of an earlier state, or is so in part."""
    of_now: Collection[str] | None = None
    """The paths of the results that the run as it is would make; None where that is not known."""

    def has(self, path: Path) -> bool:
        """Whether a result's record is of other settings or inputs than the run has. Raises Unreadable."""
        is_known = self.of_now is None or str(path) in self.of_now
        return not is_known and not isinstance(read(path), Missing)


NOT_KNOWN = Before()
