"""Rows of a CSV file as its first line names them, or what is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from pipeline.errors import InputError
from pipeline.wording import counted


def columns(rows: csv.DictReader[str], said: str) -> list[str]:
    """What the first line names. Raises InputError where that is no line of CSV."""
    try:
        return list(rows.fieldnames or ())
    except csv.Error as error:
        raise _damaged(said, rows, error) from None


def whole_rows(rows: csv.DictReader[str], said: str) -> Iterator[dict[str, Any]]:
    """The rows of a reader that is strict. `said`, a file's name, goes before what is wrong with it.

    Raises InputError where a column is named twice, or a row has more values than there are columns: as those
    before them are then of other columns than they seem, as where decimals are written with a comma; and
    where a quote is not closed, which would take what follows into one value.
    """
    names = columns(rows, said)
    twice = [name for i, name in enumerate(names) if name and name in names[:i]]
    if twice:
        raise InputError(f"{said} has two columns {twice[0]!r}: leave one out")
    for row in _read(rows, said):
        more = row.pop(None, None) or []
        if any(value.strip() for value in more):
            raise InputError(
                f"{said}, line {rows.line_num} has {len(names) + len(more)} values, where the first line "
                f"names {counted(len(names), 'column')}: put a value that has a comma in quotes, and write "
                "decimals with a point"
            )
        yield row


def _read(rows: csv.DictReader[str], said: str) -> Iterator[dict[Any, Any]]:
    try:
        yield from rows
    except csv.Error as error:
        raise _damaged(said, rows, error) from None


def _damaged(said: str, rows: csv.DictReader[str], error: csv.Error) -> InputError:
    return InputError(
        f"{said}, line {rows.line_num + 1}: {error}; expected CSV, in which a quote that opens a value is "
        "closed"
    )
