"""Standard output and standard error that may go away: a closed pipe, a terminal that is gone, a full disk.

What a run prints is for whoever listens; the run does not end with them.
"""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from pathlib import Path
from typing import IO, Any, TextIO

from rich.console import Console
from rich.control import Control
from rich.table import Table

from pipeline.errors import InputError
from pipeline.results.unreadable import mend_write, whose

KEPT_WIDTH = 160

WIDEST = 10_000
"""Characters: no table has more."""

AS_GOOD_AS_CAN_BE = "as good as can be"
"""How text is encoded of which a stream has not every character: it never fails."""
FAILING = ("strict", "surrogateescape")
"""Those that do: the second where the locale is C, at what is no byte of a file's name."""


class PassingFile(io.FileIO):
    """A stream of this process that may fail: from then on all that is written to its descriptor vanishes.

    That of libraries and of processes that are started later too.
    """

    is_gone = False

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:  # it does not block, and has no room now
                select.select([], [self], [])
            return written
        except OSError:
            self.is_gone = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def outlive_listeners() -> None:
    """Let nothing that is printed from now on fail."""
    sys.stdout, sys.stderr = _passing(sys.stdout), _passing(sys.stderr)


def whole(table: Table) -> Table:
    """A table that is as wide as what is in it on a narrower screen too, if it is printed with `soft_wrap`:
    figures that are cut off say nothing."""
    table.width = PlainConsole(width=WIDEST).measure(table).maximum
    return table


def say(console: Console, *lines: str) -> None:
    """Print lines as they are, however long; those that warn in red."""
    for line in lines:
        loud = "bold red" if line.startswith("WARNING") else None
        console.print(line, style=loud, highlight=False, soft_wrap=True, markup=False)


def is_heard() -> bool:
    """Whether standard output could be written so far."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return not (isinstance(raw, PassingFile) and raw.is_gone)


class PlainConsole(Console):
    """One that prints text as it is: brackets in paths are no markup, and `:100:` of a box is no picture."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)


class KeepingConsole(PlainConsole):
    """A console that also keeps in a file what is printed on it, without a display that renews itself."""

    def __init__(self, kept: IO[str], stderr: bool = False) -> None:
        super().__init__(stderr=stderr)
        self.kept = PlainConsole(file=kept, width=KEPT_WIDTH)
        """The file alone."""

    @classmethod
    def at(cls, path: Path) -> KeepingConsole:
        """One that adds to the file at `path`. Raises InputError when the file system refuses."""
        try:
            file = PassingFile(path, "ab")
        except OSError as error:
            raise InputError(
                f"cannot write {path}{whose(path)}: {error.strerror or error}; {mend_write(error)}"
            ) from error
        return cls(io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", errors="replace"))

    def on_stderr(self) -> KeepingConsole:
        """One that prints on standard error, and keeps that in the same file."""
        return KeepingConsole(self.kept.file, stderr=True)

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **options)
        if not any(isinstance(each, Control) for each in objects):
            self.kept.print(*objects, **options)


def _passing(stream: TextIO) -> TextIO:
    """A stream to the same descriptor; one that is closed (None) or no file's is left as it is."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    try:
        handle = stream.fileno()
    except io.UnsupportedOperation:
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(PassingFile(handle, "wb", closefd=False)),
        encoding=stream.encoding,
        errors=AS_GOOD_AS_CAN_BE if stream.errors in FAILING else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _encoded(error: UnicodeError) -> tuple[str | bytes, int]:
    """The bytes of a name that is no text as they are, and any other character as its number."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


codecs.register_error(AS_GOOD_AS_CAN_BE, _encoded)
