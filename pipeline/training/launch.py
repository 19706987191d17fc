"""The training stage: start its ranks, and publish the weights that they end with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact, Recipe, Target
from pipeline.records import make
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.horovod_ranks import rendezvous
from pipeline.training.job import TrainingJob
from pipeline.training.rank_processes import RankLaunch, rank_command, run_locally
from pipeline.weights import write_weights

VERSION = 2


def train(run: Run, coordinates: Artifact) -> Artifact:
    """Train the network with `training.ranks` Horovod processes on this machine.

    Goes on from the run's checkpoint if it is of this very training, and then ends with the same
    bytes as a training that was never interrupted. Raises InputError on input that cannot be
    used, and RankError, quoting the rank's log, when a rank dies.
    """
    target = model_target(run, coordinates)

    def write(path: Path) -> None:
        job = TrainingJob(run, Path(coordinates.path), target.recipe.fingerprint)
        weights = _final_checkpoint(job).weights
        write_weights(weights, run.config.network, path)

    return make(target, write)


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


def _final_checkpoint(job: TrainingJob) -> Checkpoint:
    """The checkpoint after the last step, trained now unless it is there already."""
    found = Checkpoint.load(job.run.checkpoint_file, job.fingerprint)
    if found is not None and found.steps == job.steps:
        return found
    job.save()
    training = job.run.config.training
    with rendezvous(training.ranks) as environments:
        launch = RankLaunch(rank_command(job.run.folder), environments)
        run_locally(launch, training.threads_per_rank, job.run.logs_folder / "training")
    final = Checkpoint.load(job.run.checkpoint_file, job.fingerprint)
    assert final is not None, "ranks end well only after the last checkpoint"
    return final
