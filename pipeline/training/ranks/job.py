"""TrainingJob: what every rank of a training must know, as a file in the run folder."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.results.artifacts import publishing, remove
from pipeline.results.unreadable import names_in
from pipeline.run_folder import Run
from pipeline.settings.run_file import parse_config
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.progress import Progress, Stretch


@dataclass(frozen=True)
class TrainingJob:
    """A resolved run, the coordinates to train on, and the lineage that its checkpoints carry."""

    run: Run
    coordinates: Path
    lineage: str
    until: int | None = None
    """FOVs after which it stops to have its network tried, be it in the midst of a round; None: all."""

    @property
    def fovs(self) -> int:
        """FOVs after which it is complete."""
        return self.until or self.run.config.training.fovs

    @property
    def fovs_per_step(self) -> int:
        """FOVs that one step sees, over all ranks."""
        training = self.run.config.training
        return training.batch_size * training.ranks

    def is_complete(self, progress: Progress) -> bool:
        """Whether all that this job is to see were seen."""
        return progress.fovs_seen >= self.fovs

    def steps_of_round(self, progress: Progress) -> int:
        """Steps that the round has after `progress`: of `checkpoint_every_steps`, or fewer in the last."""
        training = self.run.config.training
        left = -(-(training.fovs - progress.fovs_seen) // self.fovs_per_step)
        return min(training.checkpoint_every_steps - progress.into_round, left)

    def steps_to_stop(self, progress: Progress) -> int:
        """Steps until the job is complete, or the round is."""
        left = -(-(self.fovs - progress.fovs_seen) // self.fovs_per_step)
        return min(self.steps_of_round(progress), left)

    def stops_within_round(self, progress: Progress) -> bool:
        """Whether the job is complete before the round is."""
        return self.steps_to_stop(progress) < self.steps_of_round(progress)

    def after_round(self, progress: Progress) -> Progress:
        """The progress when the round that follows, or is under way, is done."""
        steps = self.steps_of_round(progress)
        return progress.after_round(steps, self._stretch(steps * self.fovs_per_step))

    def after_steps(self, progress: Progress, steps: int) -> Progress:
        """The progress when so many more steps of the round are done."""
        return progress.within_round(steps, self._stretch(steps * self.fovs_per_step))

    def may_go_on_within(self, progress: Progress) -> bool:
        """Whether the round that is under way can go on: with the ranks that it has, and not at its end."""
        return (
            progress.history[-1].ranks == self.run.config.training.ranks
            and progress.into_round < self.run.config.training.checkpoint_every_steps
        )

    def in_hand_file(self, progress: Progress, rank: int) -> Path:
        """Where a rank keeps the examples that it has in hand in the middle of a round."""
        return self.run.in_hand_folder / f"step_{progress.steps}" / f"rank_{rank:04d}.h5"

    def place_of(self, progress: Progress) -> str:
        """Which place in which training that is."""
        return f"{self.lineage} round {progress.rounds} step {progress.steps}"

    def remove_in_hand(self, but: Collection[int], at: Progress) -> None:
        """Remove what ranks had in hand after other steps; at the end of the training after any."""
        if at.fovs_seen >= self.run.config.training.fovs:
            remove(self.run.in_hand_folder)
        for name in set(names_in(self.run.in_hand_folder)) - {f"step_{steps}" for steps in but}:
            remove(self.run.in_hand_folder / name)

    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint that this training goes on from, or ends with; None if it starts anew.

        It goes on with whatever ranks it has now, but not from one that has seen more than it is to see,
        and not in another precision: where that is left open it stays as it was. Raises InputError where
        what is to compute it does not have that.
        """
        training = self.run.config.training
        found = Checkpoint.load(self.run.checkpoint_file, self.lineage)
        if found is not None and training.precision not in ("auto", found.precision):
            return None
        if found is None:
            return None
        if not self.is_complete(found.progress):
            self._require_its_precision(found)
            return found
        ended = found.progress
        last_step = training.batch_size * ended.history[-1].ranks
        return found if ended.fovs_seen - self.fovs < last_step else None

    def _require_its_precision(self, found: Checkpoint) -> None:
        if self.run.config.training.engine == "winograd" and found.precision not in (None, "float32"):
            raise InputError(
                "training.engine is winograd, which computes in float32, and this training was begun in "
                f"{found.precision} and goes on in it: leave the engine out, or set training.precision to "
                "float32 to train anew"
            )

    def _stretch(self, fovs: int) -> Stretch:
        training = self.run.config.training
        return Stretch(fovs, training.ranks, training.threads_per_rank)

    def save(self) -> None:
        """Publish the job where `load` finds it."""
        document = {
            "config": self.run.config.model_dump(mode="json"),
            "coordinates": str(self.coordinates),
            "lineage": self.lineage,
            "until": self.until,
        }
        with publishing(_job_file(self.run.folder)) as path:
            path.write_text(json.dumps(document, indent=1))

    @classmethod
    def load(cls, folder: Path) -> TrainingJob:
        """The job saved in a run folder."""
        path = _job_file(folder)
        document = json.loads(path.read_text())
        run = Run(folder, parse_config(document["config"], source=str(path)))
        return cls(run, Path(document["coordinates"]), document["lineage"], document["until"])


def _job_file(folder: Path) -> Path:
    return folder / "model" / "training_job.json"
