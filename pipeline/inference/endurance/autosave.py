"""Autosave: the checkpoints of a canvas that is being flooded, made in time for whatever ends it."""

from __future__ import annotations

import logging
import signal
import threading
import time
from types import TracebackType

from pipeline.errors import InputError
from pipeline.inference.canvas import Canvas
from pipeline.inference.endurance.tile_checkpoint import TileCheckpoint

log = logging.getLogger(__name__)


class Autosave:
    """Saves a canvas every `every_s` seconds, and before SIGTERM takes effect.

    A context manager around the flooding, in which `called` follows every network call. SIGTERM then waits
    for the call in hand and for the checkpoint before it goes to whoever had it before: by default it ends
    the process; a handler that returns, or SIG_IGN, lets the flooding go on. Only the main thread can
    handle signals; in another, SIGTERM is left alone.

    A checkpoint that cannot be written is warned of and tried again at its next time: the tile can
    still be finished, and ending it would lose what the checkpoint is there to keep.
    """

    def __init__(self, canvas: Canvas, checkpoint: TileCheckpoint, every_s: float) -> None:
        self._canvas = canvas
        self._checkpoint = checkpoint
        self._every_s = every_s
        self._saved_at_s = time.monotonic()
        self._seeds_saved = canvas.seeds_done
        self._terminated = False
        self._handles = False

    def __enter__(self) -> Autosave:
        self._previous = signal.getsignal(signal.SIGTERM)
        in_main_thread = threading.current_thread() is threading.main_thread()
        # None stands for a handler that is not Python's and could not be put back.
        if in_main_thread and self._previous is not None:
            self._handles = True
            signal.signal(signal.SIGTERM, self._note)
        return self

    def called(self) -> None:
        """Save if it is time, or if SIGTERM has come, which then takes effect."""
        if self._terminated or time.monotonic() - self._saved_at_s >= self._every_s:
            self._save()
        if self._terminated:
            self._pass_on()
            signal.signal(signal.SIGTERM, self._note)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminated:
            # An exception may have come in the middle of a change to the canvas.
            if error is None:
                self._save()
            self._pass_on()
        elif self._handles:
            signal.signal(signal.SIGTERM, self._previous)

    def _note(self, signum: int, frame: object) -> None:
        self._terminated = True

    def _pass_on(self) -> None:
        self._terminated = False
        signal.signal(signal.SIGTERM, self._previous)
        # Unlike os.kill, it returns only after the signal was handled.
        signal.raise_signal(signal.SIGTERM)

    def _save(self) -> None:
        if self._canvas.seeds_done > self._seeds_saved:
            try:
                self._checkpoint.save(self._canvas.state)
                self._seeds_saved = self._canvas.seeds_done
            except InputError as error:
                log.warning("%s; the tile goes on", error)
        self._saved_at_s = time.monotonic()
