"""Records of groups: of a thousand finished tasks, in one file, what there is to know of each.

To look at a finished task is to work out its recipe, to read its record and to look at its files. The record
of a group says of each of its tasks by what call it was made, what its own record said, and which file that
was. A task that is called just so is finished if its record is that very file still, untouched, and its files
have the size and time of change that it says: neither is the recipe worked out again nor the record read.
Whatever differs is looked at as if there were no groups; so are all tasks of one whose record is torn or
missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import Unreadable
from pipeline.results.artifacts import Artifact, publishing
from pipeline.results.finished import record_stamp
from pipeline.results.records import sealed, unsealed
from pipeline.results.unreadable import read_if_there

GROUP = 1000
"""Tasks of one group, in the order in which they are submitted: a million tiles have 4,000 groups."""

NOT_SUMMED_UP = ""
"""The entry of a task that is looked at each time."""


class GroupRecords:
    """Those of a run in `folder`, which hold for the program and the settings that `of` stands for."""

    def __init__(self, folder: Path, of: str) -> None:
        self._folder = folder
        self._of = of
        self._group = -1
        self._entries: Sequence[str] = ()

    def finished(self, number: int, call: Callable[[], str]) -> tuple[Artifact, int] | None:
        """The result of the task of this number, if it has not changed since and `call()` is what it was made
        by, and the `record_stamp` of its record; None where it has to be looked at. Raises Unreadable.
        """
        entry = self._entry(number)
        if entry == NOT_SUMMED_UP:
            return None
        made_by, stamp, sha256, *files = entry.split("\t")
        if made_by != call() or record_stamp(files[0]) != int(stamp) or not _are_as_recorded(files):
            return None
        return Artifact(files[0], sha256), int(stamp)

    def write(self, group: int, entries: Sequence[str]) -> None:
        """Publish the record of a group of finished tasks. Raises InputError, and Superseded."""
        with publishing(self._path(group)) as temporary:
            temporary.write_bytes(sealed({"of": self._of, "tasks": list(entries)}))

    def _entry(self, number: int) -> str:
        group, place = divmod(number, GROUP)
        if group != self._group:  # tasks come in their order
            self._group, self._entries = group, self._read(group)
        return self._entries[place] if place < len(self._entries) else NOT_SUMMED_UP

    def _read(self, group: int) -> Sequence[str]:
        try:
            text = read_if_there(self._path(group))
        except Unreadable:  # nothing is lost by that
            return ()
        record = unsealed(text) if text else None
        return record["tasks"] if record and record["of"] == self._of else ()

    def _path(self, group: int) -> Path:
        return self._folder / f"{group:06d}.json"


def entry_of(
    call: str, artifact: Artifact, stamp: int, record: dict[str, Any], parts: Path | None
) -> str | None:
    """What a group's record says of a finished task: its call, the `record_stamp` from before its `record`
    was read, and what this says of `artifact` and the files in the folder `parts`.

    None where a file was changed after it was recorded, though its SHA-256 may be the same, or has a name
    that an entry cannot hold.
    """
    of_files = {artifact.path: record, **{f"{parts}/{name}": of for name, of in record["parts"].items()}}
    files = [str(told) for path, of in of_files.items() for told in (path, of["size"], of["mtime_ns"])]
    if any("\t" in path for path in of_files) or not _are_as_recorded(files):
        return None
    return "\t".join([call, str(stamp), artifact.sha256, *files])


def _are_as_recorded(files: Sequence[str]) -> bool:
    """Whether files have the sizes and times of change that follow on each of their names."""
    try:
        for at in range(0, len(files), 3):
            status = os.stat(files[at])
            if status.st_size != int(files[at + 1]) or status.st_mtime_ns != int(files[at + 2]):
                return False
    except OSError:  # it is told when they are looked at one by one
        return False
    return True
