"""What the tasks of each block make and read, for whoever looks at a run without computing it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.geometry import Box, Triple, triple
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.folders import place
from pipeline.run_folder import Run

POINTS_VERSION = 1
SCORES_VERSION = 1
NOT_FOR_SCORES = {"enabled", "block", "max_gap", "min_iou", "max_deleted"}
"""Settings of the section on which no score depends."""
NOT_FOR_FLOODS = {"box", "tile", "overlap", "preset", "checkpoint_every_s", "passes", "seed_order"}


def blocks(run: Run) -> list[Box]:
    """The disjoint boxes that together are the inference box, of which each is a task's."""
    return run.inference_box.parts(run.config.agglomeration.block)


def radius_of(run: Run) -> Triple:
    """Of the block around a decision point."""
    return run.config.agglomeration.radius or _open_radius(run)


def _open_radius(run: Run) -> Triple:
    """That where the settings leave it open."""
    network = run.config.network
    return triple([f // 2 + 3 * d for f, d in zip(network.fov, network.deltas)])


def points_reach(run: Run, block: Box) -> Box:
    """What must be read to find the points of a block."""
    gap = run.config.agglomeration.max_gap
    return block.grow((gap, gap, gap)) & run.inference_box


def resegment_reach(run: Run, block: Box) -> Box:
    """What must be read to look at the points of a block."""
    return block.grow(radius_of(run)) & run.inference_box


def points_target(run: Run, block: Box, segmentation: Sequence[Artifact]) -> Target:
    """The file of a block's points; arguments as for `find_points`."""
    settings = {"block": str(block), "max_gap": run.config.agglomeration.max_gap}
    recipe = Recipe("points", POINTS_VERSION, settings, {"segmentation": combined(segmentation)})
    return Target(_file(run, block, "points"), recipe)


def scores_target(
    run: Run,
    block: Box,
    points: Artifact,
    model: Artifact,
    segmentation: Sequence[Artifact],
    image: Sequence[Artifact] = (),
) -> Target:
    """The file of the scores of a block's points; arguments as for `resegment`."""
    config = run.config
    rule = config.agglomeration.model_dump(mode="json", exclude=NOT_FOR_SCORES)
    if radius_of(run) == _open_radius(run):
        rule["radius"] = None  # be it written out or not
    settings = {
        "block": str(block),
        "agglomeration": rule,
        "network": config.network.sizes,
        "inference": run.inference.model_dump(mode="json", exclude=NOT_FOR_FLOODS),
        "normalisation": run.normalisation,
    }
    inputs = {
        "points": points.sha256,
        "model": model.sha256,
        "segmentation": combined(segmentation),
        "image": run.image_identity(block.grow(radius_of(run)), image),
    }
    return Target(scores_file(run, block), Recipe("resegment", SCORES_VERSION, settings, inputs))


def scores_file(run: Run, block: Box) -> Path:
    """HDF5: the scores of a block's points."""
    return _file(run, block, "scores")


def checkpoint_file(run: Run, block: Box) -> Path:
    """What is scored of a block that is at work or was stopped."""
    return _file(run, block, "checkpoint")


def _file(run: Run, block: Box, what: str) -> Path:
    name = "{}_z{:06d}_y{:06d}_x{:06d}.h5".format(what, *block.start)
    return place(run.agglomeration_folder, block.start, name)
