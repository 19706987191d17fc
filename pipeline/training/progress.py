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
    """Whole rounds and steps done, and the FOVs seen in them, over all ranks, stretch by stretch."""

    rounds: int = 0
    steps: int = 0
    history: tuple[Stretch, ...] = ()
    into_round: int = 0
    """Of the steps those of the round that is under way; 0 between two rounds."""

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
        """The progress after `steps` more steps, in which `seen` was seen, with which the round ends."""
        return self.within_round(steps, seen).at_next_round()

    def at_next_round(self) -> Progress:
        """The progress where the round that is under way ends here."""
        return replace(self, rounds=self.rounds + 1, into_round=0)

    def within_round(self, steps: int, seen: Stretch) -> Progress:
        """The progress after `steps` more steps of the round, in which `seen` was seen."""
        history = list(self.history)
        if history and history[-1].joins(seen):
            seen = replace(seen, fovs=history.pop().fovs + seen.fovs)
        return Progress(self.rounds, self.steps + steps, (*history, seen), self.into_round + steps)
