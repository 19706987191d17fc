"""What a process that ended too early says was wrong: the line that tells the cause, not just the last."""

from __future__ import annotations

import re
from collections.abc import Sequence

QUOTED_LINES = 3
MOST_CHARACTERS = 300
"""Of a line."""

LABEL = re.compile(r"^\s*\d+: ")
"""What `srun -l` puts before each line: the task that printed it."""

TRACEBACK = "Traceback (most recent call last)"
EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(: |$)")

COMPLAINT = re.compile(
    r"error|notfound|\b(no such |could not |no module |not found|is a directory|cannot|can't|unable|denied|"
    r"fail(ed|ure)|fatal|invalid|unknown|refused|not recognized|quota|no space|killed|aborted|illegal|"
    r"fault\b|exceeded|expired|timed out|undefined symbol|unbound variable|too (long|many))",
    re.IGNORECASE,
)
CONSEQUENCE = re.compile(r"^(srun|slurmstepd|mpiexec|aprun|apsched): .*(exited with|terminated|killed)", re.I)
"""What a launcher says of the end of what it has started."""


def cause(*outputs: str) -> str:
    """One line on why a process ended, from what it printed: standard error first, then standard output.

    The first complaint, and the exception with which a Python program ended; where nobody complains, the last
    lines of the first output that has any; empty where there are none.
    """
    texts = [[LABEL.sub("", line).rstrip() for line in output.splitlines()] for output in outputs]
    for lines in texts:
        told = [line for line in (_complaint(lines), _exception(lines)) if line]
        if told:
            return _clipped(list(dict.fromkeys(told)))
    for lines in texts:
        printed = [line.strip() for line in lines if line.strip()]
        if printed:
            return _clipped(printed[-QUOTED_LINES:])
    return ""


def _complaint(lines: Sequence[str]) -> str | None:
    """The first line that complains; not one inside a traceback, nor one that reports a consequence."""
    inside = False
    for line in lines:
        if TRACEBACK in line:
            inside = True
        elif inside and EXCEPTION.match(line):
            inside = False
        elif not inside and COMPLAINT.search(line) and not CONSEQUENCE.search(line):
            return line.strip()
    return None


def _exception(lines: Sequence[str]) -> str | None:
    """The exception with which the last traceback ends."""
    found, inside = None, False
    for line in lines:
        if TRACEBACK in line:
            inside = True
        elif inside and EXCEPTION.match(line):
            found, inside = line.strip(), False
    return found


def _clipped(lines: Sequence[str]) -> str:
    return " | ".join(
        line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]} ..." for line in lines
    )
