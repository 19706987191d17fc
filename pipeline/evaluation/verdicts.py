"""Verdicts: what a person found at the costliest errors, in a CSV file beside the list of them.

`verdict,what,bits,voxels,z,y,x`: the first column is theirs and may say anything, the second names the error
and the last three its place. It is text, and not ids, since spreadsheets round large numbers. Who runs again
keeps what was filled in, in columns of their own too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.evaluation.worst import Wrong
from pipeline.geometry import Triple, triple
from pipeline.results.artifacts import publishing
from pipeline.results.unreadable import read_if_there
from pipeline.settings.csv_rows import columns, whole_rows

VERDICT, WHAT = "verdict", "what"
OURS = (WHAT, "bits", "voxels", "z", "y", "x")
COLUMNS = (VERDICT, *OURS)


NEAR = 32
"""Voxels along each axis. What is further away is another error, though it be of the same objects and
segments: where a volume was segmented anew, numbers mean other segments, and a blank is another one."""


def read_verdicts(path: Path) -> list[Verdict]:
    """What was filled in, in the order of the file; nothing where there is no file.

    Raises InputError where its columns are others, or a row has more values, and Unreadable.
    """
    return [Verdict(row[VERDICT], row[WHAT], _point(row)) for row in _rows(path) if row[VERDICT]]


@dataclass(frozen=True)
class Verdict:
    """What a person found at an error."""

    text: str
    what: str
    """The error in words."""
    point: Triple | None
    """Where it was, z, y, x; None where the file does not say."""

    def is_on(self, what: str, point: Sequence[int] | None) -> bool:
        """Whether it is on the error of these words at this voxel; where one is without a place, words do."""
        if self.point is None or point is None:
            return self.what == what
        return self.what == what and all(abs(a - b) <= NEAR for a, b in zip(self.point, point))


def keep_verdicts(wrongs: Sequence[Wrong], path: Path) -> None:
    """Write the rows of `wrongs` with the verdicts that the file has; those on others, and where there are
    several on one all but the first, come after, so that the last stays the one that is read.

    Columns and rows that a person has added are kept as verdicts are. Raises InputError where the file lacks
    columns, is no CSV or cannot be written, Unreadable, and Superseded.
    """
    found = _rows(path)
    names = dict.fromkeys([*COLUMNS, *(name for row in found for name in row)])
    left = [row for row in found if any(row[name] for name in row if name not in OURS)]
    rows = []
    for wrong in wrongs:
        own = [number for number, row in enumerate(left) if _is_on(row, wrong)][:1]
        kept = left.pop(own[0]) if own else {VERDICT: ""}
        rows.append(kept | _row(wrong))
    rows += left
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with publishing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _is_on(row: dict[str, str], wrong: Wrong) -> bool:
    return Verdict(row[VERDICT], row[WHAT], _point(row)).is_on(wrong.what, wrong.point)


def _point(row: dict[str, str]) -> Triple | None:
    """The place in a row; None where there is none that can be read."""
    try:
        return triple([round(float(row[axis])) for axis in "zyx"])
    except (ValueError, OverflowError):
        return None


def _row(wrong: Wrong) -> dict[str, str]:
    """What is in OURS."""
    z, y, x = wrong.point or ("", "", "")
    values = (wrong.what, f"{wrong.bits:.6f}", wrong.voxels, z, y, x)
    return dict(zip(OURS, map(str, values)))


def _rows(path: Path) -> list[dict[str, str]]:
    content = read_if_there(path)
    if content is None:
        return []
    try:
        text = content.decode("utf-8-sig")  # spreadsheets put a mark before it
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason}): save it as CSV in UTF-8") from None
    first = text.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names = columns(rows, str(path))
    if not {VERDICT, WHAT} <= set(names):
        raise InputError(
            f"{path} has the columns {names}; expected {', '.join(COLUMNS)}: mend its first line, or move "
            "the file away"
        )
    wanted = dict.fromkeys([*COLUMNS, *filter(None, names)])
    return [{name: (row.get(name) or "").strip() for name in wanted} for row in whole_rows(rows, str(path))]
