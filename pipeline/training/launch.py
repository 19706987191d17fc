"""The training stage: start its ranks, and publish the weights that they end with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.ffn.trained_with import TrainedWith
from pipeline.ffn.weights import write_weights
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.ranks.launchers import Launcher, LocalLauncher
from pipeline.training.ranks.rank_processes import RankError

VERSION = 3
LINEAGE_VERSION = 2
"""Of what decides the weights, whatever the file says beside them: a checkpoint goes on while it stays."""

FREE_TO_CHANGE = {"ranks", "threads_per_rank"}
"""Settings of `training` that may differ between two attempts at one training."""


def train(run: Run, coordinates: Artifact, launcher: Launcher | None = None) -> Artifact:
    """Train the network with `training.ranks` Horovod processes, started by `launcher`: on this machine, if
    none is given.

    Goes on from the run's checkpoint if it is of this training's lineage. With unchanged ranks it
    then ends with the same bytes as a training that was never interrupted; with other ranks the
    FOVs seen go on counting. Raises InputError on input that cannot be used, and RankError,
    quoting the rank's log, when a rank dies.
    """
    target = model_target(run, coordinates)

    def write(path: Path) -> None:
        job = TrainingJob(run, Path(coordinates.path), lineage(target.recipe))
        weights = _final_checkpoint(job, launcher or local_launcher(run)).weights
        write_weights(weights, run.config.network, path, TrainedWith.of(run))

    return make(target, write)


def local_launcher(run: Run) -> LocalLauncher:
    """Starts the ranks of a run's training on this machine."""
    return LocalLauncher(run.config.training.ranks, run.config.training.threads_per_rank)


def model_target(run: Run, coordinates: Artifact) -> Target:
    """The run's model file; its recipe is everything that decides the trained weights."""
    config = run.config
    settings: dict[str, Any] = {
        "seed": config.seed,
        "data": config.data.model_dump(mode="json", include={"image_mean", "image_stddev"}),
        "network": config.network.model_dump(mode="json"),
        # the box and the sampling are in the coordinates
        "training": config.training.model_dump(
            mode="json", exclude={"report_every_steps", "box", "sampling"}
        ),
    }
    inputs = {
        "coordinates": coordinates.sha256,
        "image": run.identities["image"],
        "labels": run.identities["labels"],
    }
    return Target(run.model_file, Recipe("train", VERSION, settings, inputs))


def lineage(recipe: Recipe) -> str:
    """Fingerprint of everything that may not change while a training is under way."""
    training = {k: v for k, v in recipe.settings["training"].items() if k not in FREE_TO_CHANGE}
    settings = {**recipe.settings, "training": training}
    return replace(recipe, settings=settings, version=LINEAGE_VERSION).fingerprint


def _final_checkpoint(job: TrainingJob, launcher: Launcher) -> Checkpoint:
    """The checkpoint after the last step, trained now unless it is there already."""
    found = job.checkpoint()
    if found is not None and job.is_complete(found.progress):
        return found
    job.save()
    launcher.run(job.run.folder)
    final = Checkpoint.read(job.run.checkpoint_file)
    if final is None:
        raise RankError(f"the ranks ended, but {job.run.checkpoint_file} is not what they wrote")
    return final
