"""Verdicts: what a person found at the costliest errors, in a CSV file beside the list of them.

`verdict,what,bits,voxels,z,y,x`: the first column is theirs and may say anything, the second names the error.
It is text, and not ids, since spreadsheets round large numbers. Who runs again keeps what was filled in, in
columns of their own too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import InputError
from pipeline.evaluation.worst import Wrong
from pipeline.results.artifacts import publishing
from pipeline.results.unreadable import read_if_there
from pipeline.settings.csv_rows import columns, whole_rows

VERDICT, WHAT = "verdict", "what"
OURS = (WHAT, "bits", "voxels", "z", "y", "x")
COLUMNS = (VERDICT, *OURS)


def read_verdicts(path: Path) -> dict[str, str]:
    """What was filled in, by the error in words; nothing where there is no file.

    Raises InputError where its columns are others, or a row has more values, and Unreadable.
    """
    return {row[WHAT]: row[VERDICT] for row in _rows(path) if row[VERDICT]}


def keep_verdicts(wrongs: Sequence[Wrong], path: Path) -> None:
    """Write the rows of `wrongs` with the verdicts that the file has; those on others, and where there are
    several on one all but the first, come after, so that the last stays the one that is read.

    Columns and rows that a person has added are kept as verdicts are. Raises InputError where the file lacks
    columns, is no CSV or cannot be written, Unreadable, and Superseded.
    """
    found = _rows(path)
    names = dict.fromkeys([*COLUMNS, *(name for row in found for name in row)])
    kept = [row for row in found if any(row[name] for name in row if name not in OURS)]
    of, listed = {row[WHAT]: row for row in reversed(kept)}, {wrong.what for wrong in wrongs}
    rows = [of.get(wrong.what, {VERDICT: ""}) | _row(wrong) for wrong in wrongs]
    rows += [row for row in kept if row[WHAT] not in listed or of[row[WHAT]] is not row]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with publishing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


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
