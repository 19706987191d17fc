"""What a training reports: how well flooded patches agree with their labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np

from pipeline.training.example import Example

SCORES = ("accuracy", "f1", "precision", "recall")
"""What is told of the examples that have ended."""


@dataclass
class Tally:
    """Sums over some steps, of one rank or of all: additive, so that ranks can be summed."""

    loss: float = 0.0
    steps: int = 0
    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    true_negatives: int = 0

    def add_step(self, loss: float) -> None:
        """Count one step with its mean voxelwise loss."""
        self.loss += loss
        self.steps += 1

    def add_example(self, example: Example) -> None:
        """Compare a finished example's POM, at the move threshold, with its labels where a FOV could be.

        Where the network did not dare to move counts too; the patch's corners, which no move reaches, do not.
        """
        found, inside = example.pom[example.scored] >= example.move_logit, example.inside[example.scored]
        both = int(np.count_nonzero(found & inside))
        positives, wanted = int(np.count_nonzero(found)), int(np.count_nonzero(inside))
        self.true_positives += both
        self.false_positives += positives - both
        self.false_negatives += wanted - both
        self.true_negatives += found.size - positives - wanted + both

    def as_vector(self) -> np.ndarray:
        """The sums as float64 (exact for counts below 2**53)."""
        return np.array(list(asdict(self).values()), np.float64)

    @classmethod
    def from_vector(cls, vector: np.ndarray) -> Tally:
        loss, *counts = vector.tolist()
        return cls(loss, *(int(c) for c in counts))

    def scores(self) -> dict[str, float | None]:
        """Mean loss, accuracy, precision, recall and F1 = 2PR / (P + R).

        A ratio over nothing is 0; but where no example has ended, nobody knows the scores, which are None.
        """
        loss = _ratio(self.loss, self.steps)
        tp, fp, fn, tn = (getattr(self, field.name) for field in fields(self)[2:])
        if not tp + fp + fn + tn:
            return {"loss": loss, **dict.fromkeys(SCORES)}
        of_examples = (
            _ratio(tp + tn, tp + fp + fn + tn),
            _ratio(2 * tp, 2 * tp + fp + fn),
            _ratio(tp, tp + fp),
            _ratio(tp, tp + fn),
        )
        return {"loss": loss, **dict(zip(SCORES, of_examples))}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
