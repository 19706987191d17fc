"""Whether a resolved run's scores will mean something."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.checkup.finding import WARN, Finding, fail, ok, skip, warn
from pipeline.evaluation.counted_skeletons import is_in_mask, not_excluded, share_seen_along
from pipeline.evaluation.skeleton_files import read_skeletons
from pipeline.evaluation.skeletons import Skeletons
from pipeline.evaluation.traced import check_size
from pipeline.evaluation.trust import FEW_LABELLED
from pipeline.geometry import Box, spread
from pipeline.run_folder import Run
from pipeline.settings.evaluation import FROM_LABELS
from pipeline.settings.scored import seen_in_training, share_chosen_by, share_seen, why_not_scored
from pipeline.tracing import kimimaro_or_mend
from pipeline.volumes import image_voxel_size_nm, open_image, open_labels
from pipeline.volumes.intensity import sample_blocks
from pipeline.wording import counted, percent

MOST_NODES = 64
"""Of skeletons at which the mask is read, a block for each: it may be large, and far away."""


def scores(run: Run) -> Finding:
    """Where the segmentation is scored, and whether training saw what is there."""
    nothing = why_not_scored(run)
    if nothing is not None:
        return warn(f"nothing to score: {nothing}", "the run segments all the same")
    evaluation = run.config.evaluation
    if evaluation.box is None:
        return skip("there are no labels")
    if evaluation.ignore_border_nm and image_voxel_size_nm(run) is None:
        return fail(
            f"evaluation.ignore_border_nm is {evaluation.ignore_border_nm:g}, and the image's voxel size is "
            "unknown",
            "set data.voxel_size_nm",
        )
    found = f"in {evaluation.box}" + (f" without {evaluation.exclude}" if evaluation.exclude else "")
    labelled = _labelled(run, evaluation.box, evaluation.exclude)
    doubts = [*_of_labels(labelled), *_of_training(run)]
    if doubts:
        return Finding(WARN, f"{found}: {'; '.join(doubts)}")
    return ok(found)


def _of_labels(labelled: float) -> list[str]:
    """That too little is labelled, as far as was looked."""
    if labelled >= FEW_LABELLED:
        return []
    return [
        f"{percent(labelled)} of what was looked at there is labelled, and scores would say little; "
        "set inference.box, or evaluation.box, to where labels are"
    ]


def _of_training(run: Run) -> list[str]:
    """What of it was seen in training, or chooses the network."""
    doubts, seen, chosen_by = [], share_seen(run), share_chosen_by(run)
    if seen:
        where = " and ".join(map(str, seen_in_training(run)))
        give = "give training.box alone, or" if run.config.trains else "give"
        doubts.append(
            f"{seen:.0%} of it was seen in training, which makes scores too good; {give} an evaluation.box "
            f"or evaluation.exclude that leaves out {where}"
        )
    if chosen_by:
        doubts.append(
            f"{chosen_by:.0%} of it chooses the network, which makes scores a little too good; give an "
            "evaluation.box that does not meet training.validation_box"
        )
    return doubts


def _labelled(run: Run, box: Box, exclude: Box | None = None) -> float:
    """The share of the voxels in a box, but for those to `exclude`, that is labelled, by a sample of blocks:
    of the sections that are labelled, where not all are.

    Raises InputError where the labels cannot be read.
    """
    if run.config.data.labels == "phantom":
        return 1.0
    volume, counted, labelled = open_labels(run), 0, 0
    drawn, where = volume.drawn_in(box)
    left_out = None if exclude is None else volume.drawn_in(exclude)[1]
    if where.is_empty or (left_out is not None and left_out.contains(where)):
        return 0.0
    for block in sample_blocks(drawn, where):
        ids = drawn.read(block)
        if left_out is not None and not (left_out & block).is_empty:
            ids = ids[~_inside(left_out, block)]
        counted, labelled = counted + ids.size, labelled + np.count_nonzero(ids)
    return labelled / counted if counted else 1.0


def _inside(box: Box, block: Box) -> np.ndarray:
    """Which voxels of a block lie in a box, (z, y, x) bool."""
    inside = np.zeros(block.shape, bool)
    inside[(box & block).slices(block.start)] = True
    return inside


def skeletons(run: Run) -> Finding:
    """Whether there are skeletons to measure along in what is segmented. Raises InputError."""
    path, size = run.config.evaluation.skeletons, image_voxel_size_nm(run)
    if path is None:
        return skip("evaluation.skeletons is not set")
    if size is None:
        return fail("skeletons are in nm, and the image's voxel size is unknown", "set data.voxel_size_nm")
    if path == FROM_LABELS:
        return _made(run)
    traced = read_skeletons(Path(path))
    here = not_excluded(run, traced)
    inside = here.lengths_nm.sum() / traced.lengths_nm.sum()
    exclude = run.config.evaluation.exclude
    found = f"{counted(len(traced.names), 'skeleton')}, {inside:.0%} of their length in inference.box"
    found += f" without {exclude}" if exclude else ""
    unit = None if run.makes_image else traced.other_unit(open_image(run).box, size)
    if unit is not None:
        return warn(
            f"{found}; they are taken for nm, and would fill the image in {unit}", "convert them if so"
        )
    if not len(traced.inside(run.inference_box, size).edges):
        return fail(found, "they are z, y, x in nm from the voxel 0, 0, 0")
    if not inside:
        return fail(found, "set evaluation.box, by which nothing is left out, or another evaluation.exclude")
    if run.config.evaluation.within_mask and not is_in_mask(run, _some(here)).any():
        judge = fail if len(here.nodes_nm) <= MOST_NODES else warn
        return judge(f"{found}; data.mask is 0 at all nodes looked at", "nothing counts along them there")
    seen = share_seen_along(run, here)
    if seen:
        return warn(
            f"{found}: {seen:.0%} of that was seen in training, which makes run length too good",
            "give an evaluation.exclude that leaves it out",
        )
    return ok(found)


def _some(skeletons: Skeletons) -> Skeletons:
    """At most MOST_NODES of the nodes, evenly spread."""
    numbers = range(len(skeletons.nodes_nm))
    return skeletons.where(np.isin(numbers, spread(numbers, MOST_NODES)))


def _made(run: Run) -> Finding:
    """Whether they can be made from labels."""
    box = run.config.evaluation.box
    if box is None:
        return warn("there are no labels to make skeletons from", "the run segments all the same")
    if run.config.data.labelled_sections is not None:
        return fail(
            "evaluation.skeletons is from_labels, and with data.labelled_sections objects are labelled in "
            "pieces, along which nothing can be measured",
            "set it to skeletons that were traced, or to null",
        )
    kimimaro_or_mend()
    check_size(box)
    return ok(f"will be made from the labels in {box}")
