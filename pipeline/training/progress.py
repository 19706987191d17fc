"""Progress: how far a training is, and with how many ranks it got there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from pipeline.training.dealing import UNDEALT, Deal


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
    deal: Deal = UNDEALT
    """Of the coordinates, where the round begins."""
    taken: tuple[int, ...] = ()
    """Examples that each rank has begun of it in the round that is under way."""

    @property
    def fovs_seen(self) -> int:
        return sum(stretch.fovs for stretch in self.history)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """What `to_json` made into a text."""
        fields = json.loads(text)
        fields["history"] = tuple(Stretch(**stretch) for stretch in fields["history"])
        fields["deal"] = Deal(tuple(fields["deal"]["passed_over"]), fields["deal"]["frontier"])
        return cls(**{**fields, "taken": tuple(fields["taken"])})

    def after_round(self, steps: int, seen: Stretch) -> Progress:
        """The progress after `steps` more steps, in which `seen` was seen, with which the round ends."""
        return self.within_round(steps, seen).at_next_round()

    def at_next_round(self) -> Progress:
        """The progress where the round that is under way ends here."""
        deal = self.deal.after(self.taken) if self.taken else self.deal
        return replace(self, rounds=self.rounds + 1, into_round=0, deal=deal, taken=())

    def within_round(self, steps: int, seen: Stretch) -> Progress:
        """The progress after `steps` more steps of the round, in which `seen` was seen."""
        history = list(self.history)
        if history and history[-1].joins(seen):
            seen = replace(seen, fovs=history.pop().fovs + seen.fovs)
        return replace(
            self,
            steps=self.steps + steps,
            history=(*history, seen),
            into_round=self.into_round + steps,
        )
