"""Logs of one JSON object a line, which somebody may be writing to while they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.results.unreadable import ABSENT, read_if_there, reading

TAIL_BYTES = 200_000
USUAL_LINE = 8192
"""No line of most logs is longer."""


def lines_of(path: Path) -> list[dict[str, Any]]:
    """All whole lines that are JSON objects; none where there is no log. Raises Unreadable."""
    return _parsed((read_if_there(path) or b"").splitlines())


def last_line(path: Path) -> dict[str, Any] | None:
    """The last whole line, or None while there is none, or it is damaged. Raises Unreadable."""
    try:
        with reading(path), open(path, "rb") as file:
            end, looked_at = path.stat().st_size, USUAL_LINE
            lines = _whole_lines(file, end - looked_at)
            while len(lines) < 2 and looked_at < end:  # of thousands of ranks a line has a number of each
                looked_at *= 8
                lines = _whole_lines(file, end - looked_at)
    except ABSENT:
        return None
    return next(iter(_parsed(lines[-1:])), None)


def is_logged_for(line: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether a line, with its `time`, was written while the result of a record was made: a log is begun anew
    where it is to be made otherwise, and that may have been given up."""
    return bool(record["started"] <= line.get("time", 0.0) <= record["started"] + record["seconds"])


def _whole_lines(file: BinaryIO, start: int) -> list[bytes]:
    """Those from a place in a file to its end, of which the first may have begun before."""
    file.seek(max(0, start))
    return file.read().split(b"\n")[:-1]


def tail(path: Path) -> list[str]:
    """The last lines of any text that are not blank, whole ones but for the very last. Raises Unreadable."""
    try:
        with reading(path), open(path, "rb") as file:
            start = max(0, path.stat().st_size - TAIL_BYTES)
            file.seek(start)
            text = file.read()
    except ABSENT:
        return []
    if start:
        text = text.partition(b"\n")[2]
    return [line.rstrip() for line in text.decode(errors="replace").splitlines() if line.strip()]


def _parsed(lines: list[bytes]) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue  # torn
        if isinstance(value, dict):
            found.append(value)
    return found
