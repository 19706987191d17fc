"""The stage's third task: name the costliest errors, each with a point to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import BoxCounts
from pipeline.evaluation.points import located
from pipeline.evaluation.scores import variation_of_information
from pipeline.evaluation.stage import (
    blocks,
    counted_in,
    counts_name,
    evaluation_box,
    load_counts,
    open_segmentation,
)
from pipeline.evaluation.verdicts import keep_verdicts
from pipeline.evaluation.worst import count_errors, worst
from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import image_voxel_size_nm, open_labels

MOST = 50
VERSION = 3


def worst_target(run: Run, counts: Sequence[Artifact], segmentation: Sequence[Artifact]) -> Target:
    """The run's worst.json; arguments as for `find_worst`."""
    settings = {
        "evaluation": {"box": str(evaluation_box(run))},
        "most": MOST,
        "voxel_size_nm": image_voxel_size_nm(run),
    }
    inputs = {"counts": combined(counts), "segmentation": combined(segmentation)}
    return Target(run.worst_file, Recipe("worst", VERSION, settings, inputs))


def find_worst(run: Run, counts: Sequence[Artifact], segmentation: Sequence[Artifact]) -> Artifact:
    """Write the run's worst.json, and verdicts.csv with what was filled in there before.

    `counts` are those of all `blocks`, in any order; `segmentation` are all parts of the volume. Raises
    InputError when labels, segmentation or the verdicts cannot be read.
    """

    def write(path: Path) -> None:
        box, labels = evaluation_box(run), open_labels(run)
        files = [Path(artifact.path) for artifact in counts]
        total = BoxCounts.total(map(load_counts, files)).as_is
        voi = variation_of_information(total.labelled)

        def read_truth(here: Box) -> np.ndarray:
            ids, counted = labels.read(here), counted_in(run, here)
            return ids if counted is None else np.where(counted, ids, 0)

        read_segments = open_segmentation(run).read
        by_block = _by_block(run, files)
        errors = located(worst(total, MOST), by_block, read_segments, read_truth, box)
        found = {
            "box": str(box),
            "voxel_size_nm": image_voxel_size_nm(run),
            "voi_bits": None if voi.split is None or voi.merge is None else voi.split + voi.merge,
            "errors": count_errors(total),
            "worst": [wrong.as_dict() for wrong in errors],
        }
        path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")
        keep_verdicts(errors, run.verdicts_file)

    return make(worst_target(run, counts, segmentation), write)


def _by_block(run: Run, files: Sequence[Path]) -> Iterator[tuple[Box, ContingencyTable]]:
    named = {file.name: file for file in files}
    for block in blocks(run):
        yield block, load_counts(named[counts_name(block)]).as_is
