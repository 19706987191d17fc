"""Progress: how far a training is, and with how many ranks it got there."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Stretch:
    """FOVs seen in a row by one number of ranks and of threads in each: both decide the weights' bits."""

    fovs: int
    ranks: int
    threads_per_rank: int

    def joins(self, other: Stretch) -> bool:
        """Whether both were seen by the same ranks, so that they are one stretch if they meet."""
        return replace(self, fovs=other.fovs) == other


@dataclass(frozen=True)
class Progress:
    """Rounds and steps done, and the FOVs seen in them, over all ranks, stretch by stretch."""

    rounds: int = 0
    steps: int = 0
    history: tuple[Stretch, ...] = ()

    @property
    def fovs_seen(self) -> int:
        return sum(stretch.fovs for stretch in self.history)

    def after_round(self, steps: int, seen: Stretch) -> Progress:
        """The progress after one more round of `steps` steps, in which `seen` was seen."""
        history = list(self.history)
        if history and history[-1].joins(seen):
            seen = replace(seen, fovs=history.pop().fovs + seen.fovs)
        return Progress(self.rounds + 1, self.steps + steps, (*history, seen))
