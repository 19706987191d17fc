"""Run a command in the process of a test."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest


def said(
    main: Callable[[], None],
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str]:
    """Exit code and output, of both streams, of a command with these arguments."""
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out + shown.err
