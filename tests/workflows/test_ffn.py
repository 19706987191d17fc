"""One tool: every command under one name, with the options of its script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import said
from workflows.ffn import COMMANDS, command, main


def test_the_help_lists_every_command_and_the_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(main, ["--help"], monkeypatch, capsys)
    assert code == 0
    assert all(re.search(rf"^ *{name} +\S", shown, re.MULTILINE) for name in [*COMMANDS, "config"])
    assert "130 stopped by Ctrl-C" in " ".join(shown.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_options_of_its_script(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(main, [name, "--help"], monkeypatch, capsys)
    assert code == 0
    assert (command(name).__doc__ or "").splitlines()[0] in " ".join(shown.split())
    assert bool(re.search(r"^ *--dry-run", shown, re.MULTILINE)) == (name in ("run", "study", "align"))


def test_plan_plans_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(
        main, ["plan", "--config", "demo", "--run-dir", str(tmp_path / "run")], monkeypatch, capsys
    )
    assert code == 0
    assert "Nothing was written: this was a dry run." in " ".join(shown.split())
    assert not (tmp_path / "run").exists()


def test_errors_are_one_line_and_unknown_commands_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(main, ["status", str(tmp_path / "nothing")], monkeypatch, capsys)
    assert (code, shown.count("\n")) == (1, 1)
    assert shown.startswith("error: run folder ")
    code, shown = said(main, ["evalute"], monkeypatch, capsys)
    assert code == 2
    assert "evalute" in shown
