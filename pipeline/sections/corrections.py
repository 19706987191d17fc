"""A file of corrections of an alignment: shifts of pairs of tiles, and sections to leave out.

CSV with columns `kind` (shift or exclude), `section`, and of a shift `a`, `b`, `y`, `x`: two images as the
table of tiles names them, and where the first pixel of `b` is from that of `a`, in pixels. A column `note` is
kept.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.results.unreadable import read_if_there
from pipeline.sections.table import number, section_number
from pipeline.settings.csv_rows import columns, whole_rows

NEEDED = ("kind", "section", "a", "b", "y", "x")


@dataclass(frozen=True)
class CorrectedShift:
    """Where a person says that tile `b` lies, from tile `a` of the same section, in pixels."""

    section: int
    a: str
    b: str
    y: float
    x: float
    where: str
    """In the file, as people find it there."""
    note: str = ""

    def of(self, a: str, b: str) -> list[float] | None:
        """The shift, y, x, of tile `b` from tile `a`; None where it is of other tiles."""
        if (a, b) == (self.a, self.b):
            return [self.y, self.x]
        return [-self.y, -self.x] if (a, b) == (self.b, self.a) else None


@dataclass(frozen=True)
class Excluded:
    """A section that a person leaves out: it is treated as one that is lost."""

    section: int
    where: str
    note: str = ""


def read_corrections(path: Path) -> list[CorrectedShift | Excluded]:
    """The corrections in a file, in its order.

    Raises InputError, which names the line, where there is no such file, it is not understood, or it says two
    things of one pair or section; and Unreadable.
    """
    content = read_if_there(path)
    if content is None:
        raise InputError(f"corrections {path} does not exist: set it to a .csv file, or leave it out")
    try:
        text = content.decode("utf-8-sig")  # spreadsheets put a mark before it
    except UnicodeDecodeError:
        raise InputError(f"corrections {path} is not UTF-8 text; save it as that") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    lacking = [name for name in NEEDED if name not in columns(rows, str(path))]
    if lacking:
        raise InputError(f"{path} has no column {lacking[0]!r}; expected {', '.join(NEEDED)} and note")
    found: list[CorrectedShift | Excluded] = []
    lines: dict[object, str] = {}
    for row in whole_rows(rows, str(path)):
        where = f"line {rows.line_num}"
        one = _of_row(row, where, f"{path}, {where}: ")
        about = (one.section, *sorted((one.a, one.b))) if isinstance(one, CorrectedShift) else one.section
        if about in lines:
            raise InputError(f"{path}, {where} is about the same as {lines[about]}: remove one of them")
        lines[about] = where
        found.append(one)
    return found


def _of_row(row: dict[str, str | None], where: str, said: str) -> CorrectedShift | Excluded:
    kind, note = (row["kind"] or "").strip().lower(), (row.get("note") or "").strip()
    section = section_number(row["section"], f"{said}section")
    if kind == "exclude":
        return Excluded(section, where, note)
    if kind != "shift":
        raise InputError(f"{said}kind is {row['kind']!r}; expected shift or exclude")
    a, b = row["a"] or "", row["b"] or ""
    if not a or not b or a == b:
        raise InputError(f"{said}a is {a!r} and b is {b!r}; expected two images of section {section}")
    y, x = number(row["y"], f"{said}y"), number(row["x"], f"{said}x")
    return CorrectedShift(section, a, b, y, x, where, note)
