"""Shares: how the FOVs of a step are divided among ranks that are not equally fast.

With even shares all wait in every step for the slowest. Where they are measured, a rank that needed longer
for a FOV since the last line of the log has fewer of each step that follows, and others more. How long they
needed is a matter of time, and so are the weights then; that the mean gradient is the one of all FOVs of the
step is not.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from pipeline.config import Training
from pipeline.training.step import Update

GAIN = 0.05
"""Shares change where a step is expected to take the slowest rank so much less: noise is to move nothing."""


class Shares:
    """The FOVs of a step of each rank, the same on all of them."""

    def __init__(self, training: Training, rank: int) -> None:
        self.are_measured = training.shares == "measured"
        self.of_ranks: Sequence[int] = (training.batch_size,) * training.ranks
        self._even = training.batch_size
        self._most = training.batch_size * training.examples_in_turn
        self._rank = rank

    @property
    def own(self) -> int:
        """FOVs of this rank."""
        return self.of_ranks[self._rank]

    @property
    def weight(self) -> float:
        """Of this rank's gradient and loss: with it their plain mean over the ranks is that of all FOVs."""
        return self.own / self._even

    def agree(self, seconds: Sequence[float]) -> None:
        """Divide anew, where that is worth it, by the `seconds` that each rank needed for its part of steps.

        To be called on all ranks with the same numbers.
        """
        of_a_fov = [max(each, 1e-9) / share for each, share in zip(seconds, self.of_ranks)]
        better = divide(of_a_fov, self._even * len(of_a_fov), self._most)
        expected = max(each * share for each, share in zip(of_a_fov, better))
        if expected < (1 - GAIN) * max(seconds):
            self.of_ranks = better


def weighted(update: Update, shares: Shares) -> Update:
    """An update to which this rank contributes by its share."""
    return lambda gradient: update(gradient * shares.weight)


def divide(seconds: Sequence[float], total: int, most: int) -> tuple[int, ...]:
    """FOVs of each rank, `total` in all, such that the last is done as early as can be.

    `seconds` are those of one FOV on each rank. Each has at least one, and `most` at most.
    """
    shares = [1] * len(seconds)
    done_after_next = [(2 * each, rank) for rank, each in enumerate(seconds)]
    heapq.heapify(done_after_next)
    for _ in range(total - len(seconds)):
        _, rank = heapq.heappop(done_after_next)
        shares[rank] += 1
        if shares[rank] < most:
            heapq.heappush(done_after_next, ((shares[rank] + 1) * seconds[rank], rank))
    return tuple(shares)
