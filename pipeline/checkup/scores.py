"""Whether a resolved run's scores will mean something."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.checkup.finding import WARN, Finding, fail, ok, skip, warn
from pipeline.evaluation.counted_skeletons import not_excluded, share_seen_along
from pipeline.evaluation.skeleton_files import read_skeletons
from pipeline.evaluation.traced import check_size
from pipeline.evaluation.trust import FEW_LABELLED
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.evaluation import FROM_LABELS
from pipeline.settings.scored import seen_in_training, share_chosen_by, share_seen, why_not_scored
from pipeline.tracing import kimimaro_or_mend
from pipeline.volumes import image_voxel_size_nm, open_image, open_labels
from pipeline.volumes.intensity import sample_blocks


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
        f"{labelled:.2%} of what was looked at there is labelled, and scores would say little; "
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
    """The share of the voxels in a box, but for those to `exclude`, that is labelled, by a sample of blocks.

    Raises InputError where the labels cannot be read.
    """
    if run.config.data.labels == "phantom":
        return 1.0
    volume, counted, labelled = open_labels(run), 0, 0
    for block in sample_blocks(volume, box):
        ids = volume.read(block)
        if exclude is not None and not (exclude & block).is_empty:
            ids = ids[~_inside(exclude, block)]
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
    here = not_excluded(run, traced)  # a mask along all skeletons may take hours to read
    inside = here.lengths_nm.sum() / traced.lengths_nm.sum()
    found = f"{len(traced.names):,} skeletons, {inside:.0%} of their length in inference.box" + _left_out(run)
    unit = None if run.makes_image else traced.other_unit(open_image(run).box, size)
    if unit is not None:
        return warn(
            f"{found}; they are taken for nm, and would fill the image in {unit}", "convert them if so"
        )
    if not inside:
        other = ", or set another evaluation.box or evaluation.exclude" if _left_out(run) else ""
        return fail(found, f"they are z, y, x in nm from the voxel 0, 0, 0{other}")
    seen = share_seen_along(run, here)
    if seen:
        return warn(
            f"{found}: {seen:.0%} of that was seen in training, which makes run length too good",
            "give an evaluation.exclude that leaves it out",
        )
    return ok(found)


def _left_out(run: Run) -> str:
    """Where skeletons do not count, in words."""
    evaluation = run.config.evaluation
    exclude = f" without {evaluation.exclude}" if evaluation.exclude else ""
    return exclude + (", in the mask or not" if evaluation.within_mask else "")


def _made(run: Run) -> Finding:
    """Whether they can be made from labels."""
    box = run.config.evaluation.box
    if box is None:
        return warn("there are no labels to make skeletons from", "the run segments all the same")
    kimimaro_or_mend()
    check_size(box)
    return ok(f"will be made from the labels in {box}")
