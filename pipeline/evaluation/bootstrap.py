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

    Boxes are drawn with replacement (Efron's percentile bootstrap); None where a score is not defined, and of
    one box, of which all draws are the same. An
    object that runs through two boxes counts in both, as one, in every draw that holds both.
    """
    rng, found = np.random.default_rng(seed), []
    as_is, filled = _Stack([c.as_is for c in counts]), _Stack([c.filled for c in counts])
    for _ in range(repeats):
        times = np.bincount(rng.integers(0, len(counts), len(counts)), minlength=len(counts))
        found.append(score(BoxCounts(as_is.drawn(times), filled.drawn(times))))
    return {
        convention: {
            name: _interval([draw[convention][name] for draw in found]) if len(counts) > 1 else None
            for name in found[0][convention]
        }
        for convention in found[0]
        if isinstance(found[0][convention], dict)
    }


class _Stack:
    """The tables of all boxes by one list of pairs."""

    def __init__(self, tables: Sequence[ContingencyTable]) -> None:
        pairs = [np.stack([table.truth, table.segmentation], axis=1) for table in tables]
        self._pairs, place = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
        self._place = place.reshape(-1)
        self._box = np.repeat(np.arange(len(tables)), [len(table.voxels) for table in tables])
        self._voxels = np.concatenate([table.voxels for table in tables])

    def drawn(self, times: np.ndarray) -> ContingencyTable:
        """The sum of the tables, each as often as `times` says."""
        voxels = np.zeros(len(self._pairs), np.int64)
        np.add.at(voxels, self._place, self._voxels * times[self._box])
        kept = voxels > 0
        return ContingencyTable(self._pairs[kept, 0], self._pairs[kept, 1], voxels[kept])


def _interval(values: Sequence[Any]) -> tuple[float, float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = np.percentile(known, PERCENT)
    return float(low), float(high)
