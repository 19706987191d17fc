"""How far scores could be other, had other boxes of the same tissue been labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import BoxCounts, score

REPEATS = 200
PERCENT = (2.5, 97.5)

Drawn = list[dict[str, Any]]
"""Scores, as `conventions.score` gives them, of each draw; one alone where all draws are the same."""

Intervals = dict[str, dict[str, tuple[float, float] | None]]


def draw(counts: Sequence[BoxCounts], seed: int = 1, repeats: int = REPEATS) -> Drawn:
    """The scores of disjoint boxes that are drawn with replacement, by their counts (Efron's bootstrap).

    Of as many boxes the same are drawn, so that draws of two segmentations of one box go by pairs. Of one box
    all draws are the same. An object that runs through two boxes counts in both, as one, in every draw that
    holds both; what is wrong from one box to the other is not in the other draws, so that ARE and VOI come
    out lower in draws than in all boxes.
    """
    rng, found = np.random.default_rng(seed), []
    as_is, filled = _Stack([c.as_is for c in counts]), _Stack([c.filled for c in counts])
    for _ in range(repeats if len(counts) > 1 else 1):
        times = np.bincount(rng.integers(0, len(counts), len(counts)), minlength=len(counts))
        found.append(score(BoxCounts(as_is.drawn(times), filled.drawn(times))))
    return found


def intervals(drawn: Drawn) -> Intervals:
    """In which interval 95% of draws lie (its percentiles), of every score by convention; None where a score
    is not defined, and of one draw.
    """
    return {
        convention: {name: _interval([draw[convention][name] for draw in drawn]) for name in scores}
        for convention, scores in drawn[0].items()
        if isinstance(scores, dict)
    }


def differences(first: Drawn, other: Drawn) -> Intervals:
    """The same of what the scores of the `other` are more than those of the `first`, draw by draw."""
    return intervals([less(b, a) for a, b in zip(first, other)])


def less(scores: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """What scores are more than the `first`, by convention; None where one of the two is not defined."""
    return {
        convention: {
            name: None
            if value is None or first[convention][name] is None
            else value - first[convention][name]
            for name, value in of_one.items()
        }
        for convention, of_one in scores.items()
        if isinstance(of_one, dict)
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
    if not known or len(values) == 1:
        return None
    low, high = np.percentile(known, PERCENT)
    return float(low), float(high)
