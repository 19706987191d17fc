"""The records of groups are written: of tasks that were looked at one by one, and are all finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from apps.targets import OF_MANY, target_of
from pipeline.errors import InputError, Unreadable
from pipeline.results.artifacts import Artifact
from pipeline.results.bucket import Bucket
from pipeline.results.finished import Finished
from pipeline.results.group_records import GROUP, NOT_SUMMED_UP, GroupRecords, entry_of
from pipeline.results.records import Missing, read
from workflows.planning.calls import Calls


class SummingUp:
    """Is told of the tasks that it wants in the order in which they are submitted, until the end of them.

    What becomes of tasks after that, because there were too many at once, is for the next start to sum up.
    """

    def __init__(self, records: GroupRecords, known: Finished) -> None:
        self._records = records
        self._known = known
        self._calls = Calls()
        self._group = 0
        self._entries: list[str] | None = []
        self._has_ended = False

    def wants(self, number: int) -> bool:
        """Whether it is to be told of this task: others are summed up already, or have to wait."""
        return not self._has_ended and number // GROUP in self._known.looked_into

    def note(
        self, number: int, app: str, args: Sequence[Any], kwargs: Mapping[str, Any], result: Artifact | None
    ) -> None:
        """What became of a task that it `wants`: its result if it was found finished. Raises Superseded."""
        group = number // GROUP
        if group != self._group:
            self._write()
            self._group, self._entries = group, []
        if self._entries is None:
            return
        entry = self._entry(number, app, args, kwargs, result) if result is not None else None
        if entry is None or len(self._entries) != number % GROUP:
            self._entries = None
        else:
            self._entries.append(entry)

    def end(self) -> None:
        """All tasks were submitted. Raises Superseded."""
        self._write()
        self._has_ended = True

    def _write(self) -> None:
        if self._entries:
            with suppress(InputError):  # a full disk: then it is looked at one by one again
                self._records.write(self._group, self._entries)

    def _entry(
        self, number: int, app: str, args: Sequence[Any], kwargs: Mapping[str, Any], result: Artifact
    ) -> str | None:
        if app not in OF_MANY:
            return NOT_SUMMED_UP
        stamp = self._known.stamp(number)
        try:
            record = read(Path(result.path))
            if stamp is None or isinstance(record, Missing):
                return None
            parts = target_of(app, args, kwargs).parts if record["parts"] else None
        except Unreadable:
            return None
        if isinstance(parts, Bucket):
            return NOT_SUMMED_UP
        return entry_of(self._calls.sum_of(app, args, kwargs), result, stamp, record, parts)
