"""Progress of one tile, as lines of JSON that the driver and a curious user can follow."""

from __future__ import annotations

import json
import time
from typing import TextIO

import numpy as np

from pipeline.inference.canvas import Canvas
from pipeline.inference.engines import Engine
from pipeline.inference.tile_input import TileInput

REPORT_EVERY_S = 3.0


class Progress:
    """Counts network calls and the time they take, and reports every few seconds to `log`.

    How far the tile is, is told by the seeds that are settled. Those tried lag far behind: the first objects
    are large and take most of the calls, and with them seeds whose turn is yet to come. Calls and seeds go on
    from those of a canvas that was restored; seconds are those since then.
    """

    def __init__(self, canvas: Canvas, source: TileInput, engine: Engine, threads: int, log: TextIO) -> None:
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
