"""TrainingJob: what every rank of a training must know, as a file in the run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import publishing
from pipeline.config_file import parse_config
from pipeline.run_folder import Run


@dataclass(frozen=True)
class TrainingJob:
    """A resolved run, the coordinates to train on, and the fingerprint that its checkpoints carry."""

    run: Run
    coordinates: Path
    fingerprint: str

    @property
    def fovs_per_step(self) -> int:
        """FOVs that one step sees, over all ranks."""
        training = self.run.config.training
        return training.batch_size * training.ranks

    @property
    def steps(self) -> int:
        """Steps until `training.fovs` FOVs were seen."""
        return -(-self.run.config.training.fovs // self.fovs_per_step)

    def save(self) -> None:
        """Publish the job where `load` finds it."""
        document = {
            "config": self.run.config.model_dump(mode="json"),
            "coordinates": str(self.coordinates),
            "fingerprint": self.fingerprint,
        }
        with publishing(_job_file(self.run.folder)) as path:
            path.write_text(json.dumps(document, indent=1))

    @classmethod
    def load(cls, folder: Path) -> TrainingJob:
        """The job saved in a run folder."""
        path = _job_file(folder)
        document = json.loads(path.read_text())
        run = Run(folder, parse_config(document["config"], source=str(path)))
        return cls(run, Path(document["coordinates"]), document["fingerprint"])


def _job_file(folder: Path) -> Path:
    return folder / "model" / "training_job.json"
