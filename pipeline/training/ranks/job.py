"""TrainingJob: what every rank of a training must know, as a file in the run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.results.artifacts import publishing
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

    @property
    def fovs_per_step(self) -> int:
        """FOVs that one step sees, over all ranks."""
        training = self.run.config.training
        return training.batch_size * training.ranks

    def is_complete(self, progress: Progress) -> bool:
        """Whether all of `training.fovs` were seen."""
        return progress.fovs_seen >= self.run.config.training.fovs

    def steps_of_round(self, progress: Progress) -> int:
        """Steps of the round that follows on `progress`: `checkpoint_every_steps`, or fewer in the last."""
        training = self.run.config.training
        left = -(-(training.fovs - progress.fovs_seen) // self.fovs_per_step)
        return min(training.checkpoint_every_steps, left)

    def after_round(self, progress: Progress) -> Progress:
        """The progress when the round that follows is done."""
        steps = self.steps_of_round(progress)
        return progress.after_round(steps, self._stretch(steps * self.fovs_per_step))

    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint that this training goes on from, or ends with; None if it starts anew.

        It goes on with whatever ranks it has now, but not from one that has seen more than `training.fovs`.
        """
        found = Checkpoint.load(self.run.checkpoint_file, self.lineage)
        if found is None or not self.is_complete(found.progress):
            return found
        training, ended = self.run.config.training, found.progress
        last_step = training.batch_size * ended.history[-1].ranks
        return found if ended.fovs_seen - training.fovs < last_step else None

    def _stretch(self, fovs: int) -> Stretch:
        training = self.run.config.training
        return Stretch(fovs, training.ranks, training.threads_per_rank)

    def save(self) -> None:
        """Publish the job where `load` finds it."""
        document = {
            "config": self.run.config.model_dump(mode="json"),
            "coordinates": str(self.coordinates),
            "lineage": self.lineage,
        }
        with publishing(_job_file(self.run.folder)) as path:
            path.write_text(json.dumps(document, indent=1))

    @classmethod
    def load(cls, folder: Path) -> TrainingJob:
        """The job saved in a run folder."""
        path = _job_file(folder)
        document = json.loads(path.read_text())
        run = Run(folder, parse_config(document["config"], source=str(path)))
        return cls(run, Path(document["coordinates"]), document["lineage"])


def _job_file(folder: Path) -> Path:
    return folder / "model" / "training_job.json"
