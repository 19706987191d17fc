"""The stage's two tasks: count a block, and score the run from all counts."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import HALO, BoxCounts, fill, score
from pipeline.geometry import Box, Triple
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.attempts import fence
from pipeline.results.records import make, record_path
from pipeline.results.unreadable import is_there, reading
from pipeline.run_folder import Run
from pipeline.settings.scored import share_seen
from pipeline.volumes import open_labels, open_volume

BLOCK: Triple = (512, 512, 512)
VERSION = 2
SCORE_VERSION = 2


def blocks(run: Run) -> list[Box]:
    """Disjoint boxes of at most 512^3 voxels that together are the evaluation box.

    A box no larger than that is one block.
    """
    return _evaluation_box(run).parts(BLOCK)


def reach(run: Run, block: Box) -> Box:
    """What must be read to count `block`: it and, for the `filled` convention, 64 voxels around.

    Inside the evaluation box: wherever the nearest segment is no further than that, and always when the
    block is the whole box, the result does not depend on how the box was cut.
    """
    return block.grow(HALO) & _evaluation_box(run)


def counts_target(run: Run, block: Box, segmentation: Sequence[Artifact]) -> Target:
    """The file of one block's counts; arguments as for `count_block`."""
    settings: dict[str, Any] = {
        "block": str(block),
        "read": str(reach(run, block)),
        "segmentation starts": run.inference_box.start,
    }
    if run.config.evaluation.exclude is not None:
        settings["exclude"] = str(run.config.evaluation.exclude)
    inputs = {"labels": run.identities["labels"], "segmentation": combined(segmentation)}
    name = "counts_z{:06d}_y{:06d}_x{:06d}.npz".format(*block.start)
    return Target(run.folder / "evaluation" / name, Recipe("count", VERSION, settings, inputs))


def count_block(run: Run, block: Box, segmentation: Sequence[Artifact]) -> Artifact:
    """Count `block` of the run's segmentation against the labels.

    `segmentation` are the parts of the volume that meet `reach(run, block)`. Raises InputError when labels
    or segmentation do not cover the block.
    """

    def write(path: Path) -> None:
        read = reach(run, block)
        segments = open_volume(f"precomputed://{run.segmentation_folder.absolute()}").read(read)
        labels, inside = open_labels(run), block.slices(read.start)
        # what an id says to ignore is unknown; what 0 means is said by each convention
        counted = _counted(run, block) & ~labels.ignored(block)
        truth = labels.read(block)[counted]
        save_counts(BoxCounts.count(truth, segments[inside][counted], fill(segments)[inside][counted]), path)

    return make(counts_target(run, block, segmentation), write)


def metrics_target(run: Run, counts: Sequence[Artifact]) -> Target:
    """The run's metrics.json."""
    settings = {"evaluation": {"box": str(_evaluation_box(run))}, "seen_in_training": share_seen(run)}
    return Target(run.metrics_file, Recipe("score", SCORE_VERSION, settings, {"counts": combined(counts)}))


def score_run(run: Run, counts: Sequence[Artifact]) -> Artifact:
    """Add up the counts of all blocks and write the run's metrics.json."""

    def write(path: Path) -> None:
        total = BoxCounts.total([load_counts(Path(artifact.path)) for artifact in counts])
        scores = {**score(total), "seen_in_training": share_seen(run)}
        path.write_text(json.dumps(scores, indent=2, allow_nan=False) + "\n")

    return make(metrics_target(run, counts), write)


def set_old_scores_aside(run: Run) -> Path | None:
    """Where this run scores nothing, move the scores of an earlier start to metrics.earlier.json.

    Scores of another segmentation must not lie beside this one. Returns the new name, None if there were
    none. Raises InputError when the file system refuses.
    """
    if run.config.evaluation.box is not None or not is_there(run.metrics_file):
        return None
    earlier = run.metrics_file.with_suffix(".earlier.json")
    try:
        with fence():
            record_path(run.metrics_file).unlink(missing_ok=True)
            os.replace(run.metrics_file, earlier)
    except OSError as error:
        raise InputError(f"cannot move {run.metrics_file} to {earlier.name}: {error.strerror}") from error
    return earlier


def _counted(run: Run, block: Box) -> np.ndarray:
    """Which voxels of the block count: all but those of `evaluation.exclude`; (z, y, x) bool."""
    counted = np.ones(block.shape, bool)
    exclude = run.config.evaluation.exclude
    if exclude is not None:
        counted[(exclude & block).slices(block.start)] = (exclude & block).is_empty
    return counted


def save_counts(counts: BoxCounts, path: Path) -> None:
    """Write both tables to one npz file; equal counts give equal bytes."""
    with open(path, "wb") as file:
        np.savez(file, as_is=_columns(counts.as_is), filled=_columns(counts.filled))


def load_counts(path: Path) -> BoxCounts:
    """Read what `save_counts` wrote. Raises Unreadable."""
    with reading(path), np.load(path) as arrays:
        return BoxCounts(_table(arrays["as_is"]), _table(arrays["filled"]))


def _columns(table: ContingencyTable) -> np.ndarray:
    return np.stack([table.truth, table.segmentation, table.voxels.astype(np.uint64)])


def _table(columns: np.ndarray) -> ContingencyTable:
    truth, segmentation, voxels = columns
    return ContingencyTable(truth, segmentation, voxels.astype(np.int64))


def _evaluation_box(run: Run) -> Box:
    box = run.config.evaluation.box
    assert box is not None, "only a run with an evaluation box is evaluated"
    return box
