"""How far scores could be other, had other boxes of the same tissue been labelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import BoxCounts, score

REPEATS = 200
PERCENT = (2.5, 97.5)

Intervals = dict[str, dict[str, tuple[float, float] | None]]


def intervals(counts: Sequence[BoxCounts], seed: int = 1, repeats: int = REPEATS) -> Intervals:
    """95% intervals of every score of `conventions.score`, by convention, from counts of disjoint boxes.

    Boxes are drawn with replacement (Efron's percentile bootstrap); None where a score is not defined. An
    object that runs through two boxes counts in both, as one, in every draw that holds both.
    """
    rng, found = np.random.default_rng(seed), []
    as_is, filled = _Stack([c.as_is for c in counts]), _Stack([c.filled for c in counts])
    for _ in range(repeats):
        times = np.bincount(rng.integers(0, len(counts), len(counts)), minlength=len(counts))
        found.append(score(BoxCounts(as_is.drawn(times), filled.drawn(times))))
    return {
        convention: {
            name: _interval([draw[convention][name] for draw in found]) for name in found[0][convention]
        }
        for convention in found[0]
        if isinstance(found[0][convention], dict)
    }


class _Stack:
    """The tables of all boxes by one list of pairs."""

    def __init__(self, tables: Sequence[ContingencyTable]) -> None:
        self._total = ContingencyTable.total(tables)
        pairs = np.stack([self._total.truth, self._total.segmentation], axis=1)
        place = {pair: i for i, pair in enumerate(map(tuple, pairs.tolist()))}
        self._pair = np.array(
            [place[pair] for t in tables for pair in zip(t.truth.tolist(), t.segmentation.tolist())], np.int64
        )
        self._box = np.repeat(np.arange(len(tables)), [len(t.voxels) for t in tables])
        self._voxels = np.concatenate([np.zeros(0, np.int64), *(t.voxels for t in tables)])

    def drawn(self, times: np.ndarray) -> ContingencyTable:
        """The sum of the tables, each as often as `times` says."""
        voxels = np.zeros(len(self._total.voxels), np.int64)
        np.add.at(voxels, self._pair, self._voxels * times[self._box])
        kept = voxels > 0
        return ContingencyTable(self._total.truth[kept], self._total.segmentation[kept], voxels[kept])


def _interval(values: Sequence[Any]) -> tuple[float, float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = np.percentile(known, PERCENT)
    return float(low), float(high)
