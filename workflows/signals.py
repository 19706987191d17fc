"""Signals that ask a command to end: it ends as by Ctrl-C, and leaves nothing half done behind."""

from __future__ import annotations

import signal
from typing import NoReturn


def stop_on_signals() -> None:
    """Let SIGTERM, and SIGHUP where it is not ignored, raise KeyboardInterrupt as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(signum).name)
