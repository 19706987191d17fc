"""What was measured at a point: its training's curve, over FOVs seen and over time, from the training log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.results.log_lines import lines_of
from pipeline.training.metrics import SCORES
from pipeline.training.pace import has_scores, step_seconds
from workflows.studies.point import Point

NEEDED = {"fovs_seen", "fovs_per_s", "step_s", "step_s_std", "loss", *SCORES}
END = 0.75
"""From which share of the FOVs on lines count for how a training ended: single ones are noisy."""

SMOOTHED_OVER = 3
"""Lines of a curve whose mean is compared with a score to be reached."""


@dataclass(frozen=True)
class Curve:
    """Scores over a training: arrays of equal length. Intervals in which no example ended are left out."""

    fovs: np.ndarray
    seconds: np.ndarray
    """Of training, from its first step."""
    scores: dict[str, np.ndarray]
    ends_at: float
    """FOVs of the whole training, be there scores to the end or not."""

    def at_end(self, score: str) -> float | None:
        """The mean over the last quarter of the FOVs; None where no example ended in it."""
        late = self.scores[score][self.fovs >= END * self.ends_at]
        return float(np.mean(late)) if len(late) else None

    def smoothed(self, score: str) -> np.ndarray:
        """The running mean; as long as the curve."""
        values, ones = self.scores[score], np.ones(SMOOTHED_OVER)
        if len(values) < SMOOTHED_OVER:
            return values
        return np.convolve(values, ones, "same") / np.convolve(np.ones_like(values), ones, "same")

    def reaches(self, score: str, value: float) -> tuple[float, float] | None:
        """FOVs and seconds after which the smoothed score was first at least `value`; None: never, or where
        that is 0, which says nothing."""
        if value <= 0:
            return None
        reached = np.flatnonzero(self.smoothed(score) >= value)
        return (float(self.fovs[reached[0]]), float(self.seconds[reached[0]])) if len(reached) else None


@dataclass(frozen=True)
class Measured:
    """A point that was trained to its end."""

    point: Point
    curve: Curve
    fovs_per_s: float
    """Over all but the first interval, in which TensorFlow warms up."""
    step_s: float
    """Mean over these intervals."""
    step_s_std: float
    """Standard deviation over them."""

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return {
            "point": self.point.name,
            "folder": str(self.point.run.folder),
            **self.point.varied,
            "fovs_per_s": self.fovs_per_s,
            "step_s": self.step_s,
            "step_s_std": self.step_s_std,
            "fovs": self.curve.fovs.tolist(),
            "seconds": self.curve.seconds.tolist(),
            **{name: values.tolist() for name, values in self.curve.scores.items()},
        }


def measure(point: Point) -> Measured:
    """What the log of a finished training says; of one that has gone further, up to the FOVs of the point.

    Raises InputError where the log does not reach to its end.
    """
    run, fovs_asked = point.run, point.run.config.training.fovs
    lines = [line for line in lines_of(run.training_log) if line.keys() >= NEEDED]
    before = sum(line["fovs_seen"] < fovs_asked for line in lines)
    lines, reaches = lines[: before + 1], before < len(lines)
    if not reaches:
        raise InputError(
            f"{run.training_log} does not reach to the end of its training; remove the folder {run.folder} "
            "and run the same command again to have it made anew"
        )
    step_s, step_s_std = step_seconds(lines) or (0.0, 0.0)
    fovs = np.diff([0, *(line["fovs_seen"] for line in lines)])
    seconds = fovs / np.array([line["fovs_per_s"] for line in lines])
    timed = slice(1, None) if len(lines) > 1 else slice(None)
    ended = [index for index, line in enumerate(lines) if has_scores(line)]
    return Measured(
        point,
        Curve(
            np.cumsum(fovs)[ended],
            np.cumsum(seconds)[ended],
            {name: np.array([lines[index][name] for index in ended]) for name in SCORES},
            ends_at=float(fovs.sum()),
        ),
        fovs_per_s=float(fovs[timed].sum() / seconds[timed].sum()),
        step_s=step_s,
        step_s_std=step_s_std,
    )
