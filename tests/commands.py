"""Run a command in the process of a test."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import pytest


def as_from_a_terminal() -> None:
    """For a child before it starts: what a shell starts in the background inherits that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
