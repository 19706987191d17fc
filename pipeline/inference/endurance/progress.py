"""Progress of one tile, as lines of JSON that the driver and a curious user can follow."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np

from pipeline.inference.canvas import Canvas
from pipeline.inference.engines import Engine
from pipeline.inference.tile_input import TileInput
from pipeline.results.attempts.fencing import ATTEMPT

REPORT_EVERY_S = 3.0


class Progress:
    """Counts network calls and the time they take, and reports every few seconds to `log`.

    How far the tile is, is told by the seeds that are settled. Those tried lag far behind: the first objects
    are large and take most of the calls, and with them seeds whose turn is yet to come. Calls and seeds go on
    from those of a canvas that was restored; seconds are those since then. A tile longer than a job goes on
    in each from what the one before has left: when its attempt began it, and with what, is told by `earlier`,
    the last line of the job before, if that was of the same attempt.
    """

    def __init__(
        self,
        canvas: Canvas,
        source: TileInput,
        engine: Engine,
        threads: int,
        log: TextIO,
        earlier: Mapping[str, Any] | None = None,
    ) -> None:
        self._calls = self._resumed_at_calls = canvas.calls
        self._seeds = np.array(source.seeds, np.intp).reshape(-1, 3)
        self._canvas = canvas
        self._resumed_at_seeds = np.count_nonzero(canvas.settled(self._seeds))
        self._source = source
        self._engine = engine
        self._threads = threads
        self._log = log
        self._seconds_in_network = 0.0
        self._started = self._reported = time.time()
        self._attempt = os.environ.get(ATTEMPT)
        self._began, self._seeds_of_older_attempts = self._started, self._resumed_at_seeds
        if earlier is not None and self._attempt is not None and earlier.get("attempt") == self._attempt:
            self._began = earlier["began"]
            self._seeds_of_older_attempts = min(earlier["seeds_of_older_attempts"], self._resumed_at_seeds)

    def called(self, seconds: float) -> None:
        """Note one network call that took `seconds`."""
        self._calls += 1
        self._seconds_in_network += seconds
        if time.time() - self._reported >= REPORT_EVERY_S:
            self.report()

    def report(self) -> None:
        """Write one line."""
        self._reported = time.time()
        settled = self._canvas.settled(self._seeds)
        state = {
            "time": round(self._reported, 3),
            "seconds": round(self._reported - self._started, 3),
            "seeds": np.count_nonzero(settled),
            "seeds_total": len(settled),
            "missing_chunks": self._source.missing_chunks,
            "missing_voxels": self._source.missing_voxels,
            "resumed_at_seeds": self._resumed_at_seeds,
            "attempt": self._attempt,
            "began": round(self._began, 3),
            "seeds_of_older_attempts": self._seeds_of_older_attempts,
            "calls": self._calls,
            "resumed_at_calls": self._resumed_at_calls,
            "segments": len(self._canvas.segments),
            "voxels_segmented": sum(segment.voxels for segment in self._canvas.segments),
            "seconds_in_network": round(self._seconds_in_network, 3),
            "engine": self._engine.name,
            "precision": self._engine.precision,
            "threads": self._threads,
        }
        print(json.dumps(state), file=self._log, flush=True)
