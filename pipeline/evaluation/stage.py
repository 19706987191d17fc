"""Two of the stage's tasks: count a block, and score the run from all counts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.borders import away_from_borders
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import BoxCounts, score
from pipeline.evaluation.counting import count_parts
from pipeline.evaluation.filling import HALO
from pipeline.geometry import Box, Triple
from pipeline.results.agglomerated_ids import read_agglomerated_ids
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.attempts import fence
from pipeline.results.folders import place
from pipeline.results.records import make, record_path
from pipeline.results.unreadable import is_there, reading
from pipeline.run_folder import Run
from pipeline.settings.scored import share_chosen_by, share_seen
from pipeline.volumes import Volume, image_voxel_size_nm, open_labels, open_mask, open_volume

BLOCK: Triple = (256, 256, 256)
"""With it a task takes 1.3 GiB where blanks are thick; with 512 voxels a side it was 7."""
VERSION = 3
SCORE_VERSION = 5


def blocks(run: Run) -> list[Box]:
    """Disjoint boxes of at most 256^3 voxels that together are the evaluation box.

    A box no larger than that is one block.
    """
    return evaluation_box(run).parts(BLOCK)


def reach(run: Run, block: Box) -> Box:
    """What must be read to count `block`: it and, for the `filled` convention, 64 voxels around.

    Inside the evaluation box: wherever the nearest segment is no further than that, and always when the
    block is the whole box, the result does not depend on how the box was cut.
    """
    return block.grow(HALO) & evaluation_box(run)


def counts_target(run: Run, block: Box, segmentation: Sequence[Artifact]) -> Target:
    """The file of one block's counts; arguments as for `count_block`."""
    path = place(run.folder / "evaluation" / "counts", block.start, counts_name(block))
    return Target(path, counting(run, block, "count", {"segmentation": combined(segmentation)}))


def counting(run: Run, block: Box, stage: str, of: Mapping[str, str]) -> Recipe:
    """How a block is counted; `of` is the identity of what is counted against the labels."""
    settings: dict[str, Any] = {
        "block": str(block),
        "read": str(reach(run, block)),
        "segmentation starts": run.inference_box.start,
    }
    if run.config.evaluation.exclude is not None:
        settings["exclude"] = str(run.config.evaluation.exclude)
    if run.config.evaluation.ignore_border_nm:
        settings["ignore border"] = [run.config.evaluation.ignore_border_nm, image_voxel_size_nm(run)]
    inputs = {"labels": run.identities["labels"], **of}
    if run.config.evaluation.within_mask and "mask" in run.identities:
        inputs["mask"] = run.identities["mask"]
    return Recipe(stage, VERSION, settings, inputs)


def counts_name(block: Box) -> str:
    """The name of the file of a block's counts."""
    return "counts_z{:06d}_y{:06d}_x{:06d}.npz".format(*block.start)


def count_block(run: Run, block: Box, segmentation: Sequence[Artifact]) -> Artifact:
    """Count `block` of the run's segmentation against the labels.

    `segmentation` are the parts of the volume that meet `reach(run, block)`. Raises InputError when labels
    or segmentation do not cover the block.
    """

    def write(path: Path) -> None:
        write_counts(run, block, open_segmentation(run), path)

    return make(counts_target(run, block, segmentation), write)


def write_counts(run: Run, block: Box, segments: Volume, path: Path) -> None:
    """Count `block` of any segmentation of the run's box. Raises InputError as `count_block` does."""
    labels = open_labels(run)
    [counts] = count_parts(segments, labels, block, evaluation_box(run), [block], counted_in(run, block))
    save_counts(counts, path)


def metrics_target(
    run: Run,
    counts: Sequence[Artifact],
    agglomeration: Sequence[Artifact] = (),
    uncorrected: Sequence[Artifact] = (),
) -> Target:
    """The run's metrics.json; arguments as for `score_run`."""
    told = {"box": str(evaluation_box(run)), **_border(run.config.evaluation.ignore_border_nm)}
    settings = {"evaluation": told, **known_before(run)}
    inputs = {"counts": combined(counts)}
    if agglomeration:
        inputs["agglomeration"] = combined(agglomeration)
    if uncorrected:
        inputs["uncorrected"] = combined(uncorrected)
    return Target(run.metrics_file, Recipe("score", SCORE_VERSION, settings, inputs))


def score_run(
    run: Run,
    counts: Sequence[Artifact],
    agglomeration: Sequence[Artifact] = (),
    uncorrected: Sequence[Artifact] = (),
) -> Artifact:
    """Add up the counts of all blocks and write the run's metrics.json.

    With an agglomeration it holds, as `agglomerated`, the scores of the segments that are one by it, too; as
    `uncorrected` those before a person's corrections, where there are such counts.
    Raises InputError when that cannot be read.
    """

    def write(path: Path) -> None:
        box = evaluation_box(run)
        total = BoxCounts.total(load_counts(Path(artifact.path)) for artifact in counts)
        scores = {
            **score(total),
            **known_before(run),
            "box": str(box),
            "voxels": box.size,
            **shares(total, box, run.config.evaluation.ignore_border_nm),
        }
        for made in agglomeration:
            ids = read_agglomerated_ids(Path(made.path))
            scores["agglomerated"] = score(total.with_segments(ids.of))
        if uncorrected:
            before = BoxCounts.total(load_counts(Path(artifact.path)) for artifact in uncorrected)
            scores["uncorrected"] = score(before)
        path.write_text(json.dumps(scores, indent=2, allow_nan=False) + "\n")

    return make(metrics_target(run, counts, agglomeration, uncorrected), write)


def known_before(run: Run) -> dict[str, float]:
    """Which parts of the scored voxels training saw, and by which its network was chosen, if by any."""
    chosen_by = share_chosen_by(run)
    return {"seen_in_training": share_seen(run), **({"chosen_by": chosen_by} if chosen_by else {})}


def set_old_scores_aside(run: Run) -> Path | None:
    """Where this run scores nothing, move the scores of an earlier start to metrics.earlier.json.

    Scores of another segmentation must not lie beside this one; neither its errors, which go to
    worst.earlier.json, nor its run length, where there are no skeletons. Returns the new name, None if there
    were none. Raises InputError when the file system refuses.
    """
    if not run.config.evaluation.measures_run_length:
        _set_aside(run.run_length_file)
    if run.config.evaluation.box is not None:
        return None
    _set_aside(run.worst_file)
    return _set_aside(run.metrics_file)


def _set_aside(path: Path) -> Path | None:
    if not is_there(path):
        return None
    earlier = path.with_suffix(".earlier.json")
    try:
        with fence():
            record_path(path).unlink(missing_ok=True)
            os.replace(path, earlier)
    except OSError as error:
        raise InputError(f"cannot move {path} to {earlier.name}: {error.strerror}") from error
    return earlier


def shares(counts: BoxCounts, box: Box, ignore_border_nm: float) -> dict[str, float]:
    """Which parts of a box were labelled and scored, and which were left out of all scores; how far from
    borders of the truth, if any were left out there; and what stayed blank in `filled`, if anything did.
    """
    unfilled = counts.filled.blank.total_voxels
    return {
        **({"unfilled_share": unfilled / box.size} if unfilled else {}),
        **_border(ignore_border_nm),
        "labelled_share": counts.as_is.labelled.total_voxels / box.size,
        "ignored_share": counts.ignored / box.size,
        "left_out_share": 1 - (counts.as_is.total_voxels + counts.ignored) / box.size,
    }


def _border(ignore_border_nm: float) -> dict[str, float]:
    """What is told of the border that is left out: two of them may leave out the same voxels."""
    return {"ignore_border_nm": ignore_border_nm} if ignore_border_nm else {}


def open_segmentation(run: Run) -> Volume:
    """The run's segmentation. Raises InputError."""
    return open_volume(run.volume_uri)


def counted_in(run: Run, box: Box) -> np.ndarray | None:
    """Which voxels of a box count: those `within` it that are away from borders, (z, y, x) bool; None: all.

    Raises InputError when the mask or the labels cannot be read, and where borders are left out and the voxel
    size is unknown.
    """
    counted, border = within(run, box), run.config.evaluation.ignore_border_nm
    if not border:
        return counted
    size = image_voxel_size_nm(run)
    away = away_from_borders(open_labels(run), box, border, size, "set data.voxel_size_nm")
    return away if counted is None else counted & away


def within(run: Run, box: Box) -> np.ndarray | None:
    """Which voxels of a box `evaluation.exclude` and the mask let count, (z, y, x) bool; None: all.

    Raises InputError when the mask cannot be read.
    """
    evaluation, mask = run.config.evaluation, None
    if evaluation.within_mask:
        mask = open_mask(run)
    exclude = evaluation.exclude or Box(box.start, box.start)
    if mask is None and (exclude & box).is_empty:
        return None
    counted = np.ones(box.shape, bool)
    if mask is not None:
        inside, counted = mask.box & box, np.zeros(box.shape, bool)
        if not inside.is_empty:
            counted[inside.slices(box.start)] = mask.read(inside) != 0
    if not (exclude & box).is_empty:
        counted[(exclude & box).slices(box.start)] = False
    return counted


def save_counts(counts: BoxCounts, path: Path) -> None:
    """Write the counts to one npz file; equal ones give equal bytes."""
    with open(path, "wb") as file:
        np.savez(
            file,
            as_is=counts.as_is.columns,
            filled=counts.filled.columns,
            ignored=np.int64(counts.ignored),
        )


def load_counts(path: Path) -> BoxCounts:
    """Read what `save_counts` wrote. Raises Unreadable."""
    with reading(path), np.load(path) as arrays:
        as_is, filled = (ContingencyTable.of_columns(arrays[name]) for name in ("as_is", "filled"))
        return BoxCounts(as_is, filled, int(arrays["ignored"]))


def evaluation_box(run: Run) -> Box:
    """What is scored."""
    box = run.config.evaluation.box
    assert box is not None, "only a run with an evaluation box is evaluated"
    return box
