"""From where a start of a run trains its network: what of a training counts that there is, what is lost."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pipeline.results.artifacts import Artifact
from pipeline.results.records import Missing, inspect, read
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.launch import lineage, model_target
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.sampling import coordinates_target
from pipeline.volumes.aligned import aligned_blocks


class TrainingStart(NamedTuple):
    """From where a start of the run trains its network."""

    goes_on_at: int
    """FOVs that were seen before and count."""
    lost: int
    """FOVs that a checkpoint has seen, for nothing."""
    first_weights: str
    why_lost: str = "is of other settings"
    """What is wrong with that checkpoint."""

    def __str__(self) -> str:
        if self.goes_on_at:
            return f"training goes on after {self.goes_on_at:,} FOVs"
        lost = f"; a checkpoint of {self.lost:,} FOVs {self.why_lost}" if self.lost else ""
        return f"training starts from {self.first_weights}{lost}"


def where_training_starts(run: Run) -> TrainingStart | None:
    """From where this start of the run trains its network; None where there is nothing to train, or where
    the image, which decides it, is yet to be made of sections."""
    if not run.config.trains:
        return None
    image = _image_as_it_is(run)
    if image is None:
        return None
    sampled = coordinates_target(run)
    record, found, own, wanted = read(sampled.path), None, "", run.config.training.fovs
    if not isinstance(record, Missing) and record["fingerprint"] == sampled.recipe.fingerprint:
        # as they were recorded: where they are damaged they are drawn again, to the same bytes
        coordinates = Artifact(str(sampled.path), record["sha256"])
        parts = [(until, model_target(run, coordinates, until, image)) for until in run.config.training.parts]
        missing = [part for part in parts if not isinstance(inspect(part[1]), Artifact)]
        if not missing:
            return None
        until, target = missing[0]
        own, wanted = lineage(target.recipe), until or wanted
        found = TrainingJob(run, Path(coordinates.path), own, until).checkpoint()
    other = None if found else Checkpoint.read(run.checkpoint_file)
    start = TrainingStart(
        goes_on_at=found.progress.fovs_seen if found else 0,
        lost=other.progress.fovs_seen if other else 0,
        first_weights=run.config.training.start_from or "random weights",
    )
    if other is not None and other.lineage == own and start.lost > wanted:
        return start._replace(why_lost=f"has seen more than the {wanted:,} after which a network is wanted")
    return start


def _image_as_it_is(run: Run) -> list[Artifact] | None:
    """Where the run makes its image, the blocks that hold the training box; None until all are there."""
    box = run.config.training.box
    assert box is not None, "a resolved configuration has a training box"
    files = [run.aligned_block_file(block) for block in aligned_blocks(run, box)]
    records = [read(file) for file in files]
    found = [Artifact(str(f), r["sha256"]) for f, r in zip(files, records) if not isinstance(r, Missing)]
    return found if len(found) == len(files) else None
