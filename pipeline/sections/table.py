"""Tables of tiles: which images there are of which section, and where each nominally lies."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import InputError
from pipeline.settings.csv_rows import columns, whole_rows
from pipeline.settings.sections import Tiles

NEEDED = ("file", "section", "x", "y")
KNOWN = (*NEEDED, "row", "column")


class Listed(NamedTuple):
    """One image as a table lists it, its place in pixels."""

    section: int
    file: str
    y: float
    x: float


def read_table(tiles: Tiles) -> list[Listed]:
    """What the table lists, by section and file, whether its images are there or not.

    Raises InputError, which names file and row, for what is not understood, for images listed twice and for
    a table that lists nothing.
    """
    from pipeline.sections.specifications import read_specifications
    from pipeline.sections.trakem2 import read_trakem2

    path = Path(tiles.table)
    readers = {".xml": read_trakem2, ".json": read_specifications}
    reader = readers.get(path.suffix.lower())
    if reader and tiles.units != "pixel":
        raise InputError(
            f"tiles.units is {tiles.units}, and tiles.table {path} is in pixels, as every {path.suffix}: "
            "leave tiles.units out"
        )
    try:
        listed = sorted(reader(path) if reader else _read_csv(path, tiles))
    except OSError as error:
        raise InputError(f"tiles.table {path}: {error.strerror}; set it to the table of tiles") from None
    except UnicodeDecodeError:
        raise InputError(f"tiles.table {path} is not UTF-8 text; save it as that") from None
    if not listed:
        raise InputError(f"tiles.table {path} lists no tiles")
    images = sorted((one.section, os.path.normpath(path.parent / one.file), one.file) for one in listed)
    for before, after in pairwise(images):
        if before[:2] == after[:2]:
            raise InputError(f"{path}: {after[2]} is listed twice in section {after[0]}; leave one out")
    return listed


def number(text: object, what: str) -> float:
    """A finite number; raises InputError that says `what` it is of."""
    try:
        value = float(str(text))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{what} is {text!r}; expected a number")
    return value


def section_number(text: object, what: str) -> int:
    """A section's number, whole, such as 17 or 17.0. Raises InputError."""
    value = number(text, what)
    if value != int(value):
        raise InputError(f"{what} is {text!r}; expected a whole number")
    return int(value)


def _read_csv(path: Path, tiles: Tiles) -> Iterator[Listed]:
    _, nm_y, nm_x = tiles.voxel_size_nm
    dy, dx = (nm_y, nm_x) if tiles.units == "nm" else (1.0, 1.0)
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        names = columns(reader, str(path))
        lacking = [name for name in NEEDED if name not in names]
        strange = [name for name in names if name not in KNOWN]
        if lacking or strange:
            wrong = f"has no column {lacking[0]!r}" if lacking else f"has an unknown column {strange[0]!r}"
            raise InputError(f"{path} {wrong}; expected {', '.join(KNOWN)}, where row and column may lack")
        for row in whole_rows(reader, str(path)):
            where = f"{path}, line {reader.line_num}: "
            if not row["file"]:
                raise InputError(f"{where}file is empty; expected the name of an image")
            yield Listed(
                section_number(row["section"], f"{where}section"),
                row["file"],
                number(row["y"], f"{where}y") / dy,
                number(row["x"], f"{where}x") / dx,
            )
