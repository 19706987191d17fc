"""Two ways to run the network on the same tile, a few seconds each in turn: how much faster is one?"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from statistics import median

import numpy as np

from pipeline.ffn.weights import import_checkpoint
from pipeline.inference.segmenter import engine_for
from pipeline.inference.tile_input import canvas_of, read_input
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run

ROUNDS = 5


class Flooding:
    """A run's first tile, flooded on and on: when it ends it begins anew."""

    def __init__(self, run: Run, model: Artifact) -> None:
        self._engine = engine_for(run, model)
        self._run = run
        self._fovs = np.empty((1, *run.config.network.fov, 2), np.float32)
        self._requests = self._begin()

    def calls_per_s(self, seconds: float) -> float:
        """Network calls a second, host work included, over at least `seconds`.

        The clock stands still while the tile begins anew, which the faster path would do more often.
        """
        began, calls = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            update = self._engine.predict(self._fovs)[0, ..., 0]
            try:
                self._requests.send(update)
            except StopIteration:
                ended = time.perf_counter()
                self._requests = self._begin()
                began += time.perf_counter() - ended
            calls += 1
        return calls / elapsed

    def _begin(self) -> Generator[None, np.ndarray, None]:
        source = read_input(self._run, next(iter(self._run.grid)))
        requests = canvas_of(self._run, source.image).segment(source.seeds, self._fovs[0])
        next(requests)
        return requests


def alternate(run: Run, plain: Run, seconds: float) -> tuple[float, float]:
    """Calls a second of `run` and of `plain`, which get `seconds` in all; medians, and of their ratio.

    Both use the same cores in the same minutes, so that other programs disturb both alike, and each has a
    process of its own, as a worker has: threads that wait for more work of one would slow down the other.
    Returns the calls a second of `plain`, and how many times as many `run` made in each round (the median).
    """
    model = import_checkpoint(run)
    with _process(run, model) as ours, _process(plain, model) as plainly:
        sides = (ours, plainly)
        for side in sides:
            _calls_per_s(side, 0.1)  # the first call of each prepares its buffers
        share = seconds / ROUNDS / len(sides)
        rounds = [[_calls_per_s(side, share) for side in sides] for _ in range(ROUNDS)]
    return median(slow for _, slow in rounds), median(fast / slow for fast, slow in rounds)


_flooding: Flooding
"""The one of this process."""


def _begin(run: Run, model: Artifact) -> None:
    global _flooding
    _flooding = Flooding(run, model)


def _flood(seconds: float) -> float:
    return _flooding.calls_per_s(seconds)


def _process(run: Run, model: Artifact) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(run, model))


def _calls_per_s(process: ProcessPoolExecutor, seconds: float) -> float:
    return process.submit(_flood, seconds).result()
