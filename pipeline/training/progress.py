"""Progress: how far a training is, and with how many ranks it got there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace


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

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """What `to_json` made into a text."""
        fields = json.loads(text)
        return cls(**{**fields, "history": tuple(Stretch(**stretch) for stretch in fields["history"])})

    def after_round(self, steps: int, seen: Stretch) -> Progress:
        """The progress after one more round of `steps` steps, in which `seen` was seen."""
        history = list(self.history)
        if history and history[-1].joins(seen):
            seen = replace(seen, fovs=history.pop().fovs + seen.fovs)
        return Progress(self.rounds + 1, self.steps + steps, (*history, seen))
