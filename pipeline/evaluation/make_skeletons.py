"""A task of the stage: make skeletons from the run's labels, along which run length is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.evaluation.counted_skeletons import voxel_size_of_skeletons
from pipeline.evaluation.skeleton_files import write_skeletons
from pipeline.evaluation.stage import evaluation_box, within
from pipeline.evaluation.traced import trace
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.tracing import LEAST_VOXELS, TEASAR
from pipeline.volumes import image_voxel_size_nm, open_labels

VERSION = 2


def skeletons_target(run: Run) -> Target:
    """The skeletons that the run makes: an .npz that `evaluate --skeletons` reads too."""
    evaluation = run.config.evaluation
    settings = {
        "box": str(evaluation_box(run)),
        "exclude": None if evaluation.exclude is None else str(evaluation.exclude),
        "voxel_size_nm": image_voxel_size_nm(run),
        "teasar": TEASAR,
        "least_voxels": LEAST_VOXELS,
    }
    inputs = {"labels": run.identities["labels"]}
    if evaluation.within_mask and "mask" in run.identities:
        inputs["mask"] = run.identities["mask"]
    return Target(run.folder / "evaluation" / "skeletons.npz", Recipe("skeletons", VERSION, settings, inputs))


def make_skeletons(run: Run) -> Artifact:
    """Make a skeleton of every object in what is scored, without what `evaluation.exclude` and the mask leave
    out; voxels near borders stay. Raises InputError, and as `trace` does.
    """

    def write(path: Path) -> None:
        box, size = evaluation_box(run), voxel_size_of_skeletons(run)
        labels, counted = open_labels(run).read(box), within(run, box)
        if counted is not None:
            labels = np.where(counted, labels, 0)
        write_skeletons(path, *trace(labels, box, size))

    return make(skeletons_target(run), write)
