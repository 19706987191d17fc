"""Rows of a CSV file as its first line names them, or what is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.errors import InputError


def whole_rows(rows: csv.DictReader[str], said: str) -> Iterator[dict[str, Any]]:
    """The rows of a reader. `said`, a file's name, goes before what is wrong with it.

    Raises InputError where a column is named twice, or a row has more values than there are columns: as those
    before them are then of other columns than they seem, as where decimals are written with a comma.
    """
    names: Sequence[str] = rows.fieldnames or ()
    twice = [name for i, name in enumerate(names) if name and name in names[:i]]
    if twice:
        raise InputError(f"{said} has two columns {twice[0]!r}: leave one out")
    for row in rows:
        more = row.pop(None, None) or []
        if any(value.strip() for value in more):
            raise InputError(
                f"{said}, line {rows.line_num} has {len(names) + len(more)} values, where the first line "
                f"names {len(names)} columns: put a value that has a comma in quotes, and write decimals "
                "with a point"
            )
        yield row
