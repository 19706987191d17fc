"""What commands print is what they say: no part of it becomes a picture, or is taken for markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.table import Table

import workflows
from pipeline.errors import InputError
from workflows.command_line import print_error
from workflows.output import KeepingConsole, PlainConsole, say

TEXT = "evaluation.box 0:100:, em.h5:cat: and [red]folder[/red] of a:x:b"


def test_text_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for console in (PlainConsole(width=200), KeepingConsole.at(tmp_path / "log")):
        console.print(TEXT, highlight=False)
        say(console, TEXT)
        table = Table(TEXT)
        table.add_row(TEXT)
        console.print(table)
    print_error(InputError(TEXT))
    shown = capsys.readouterr()
    assert shown.err == f"error: {TEXT}\n"
    assert shown.out.count("\n") >= 2 * 4
    assert shown.out.replace("\n", " ").count(TEXT) >= 4 + 2
    kept = (tmp_path / "log").read_text()
    assert kept.count(TEXT) == 4


def test_every_command_prints_by_such_a_console() -> None:
    for path in Path(workflows.__path__[0]).rglob("*.py"):
        bare = re.search(r"(?<!\w)Console\(", path.read_text().replace("PlainConsole(Console)", ""))
        assert bare is None, f"{path} prints by a console of rich's own: see PlainConsole"
