"""Which voxels a run scores, which of these its training saw or was judged by, and why there may be none."""

from __future__ import annotations

from pipeline.config import Evaluation, RunConfig
from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.ffn.trained_with import trained_on
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.volumes import labelled_box


def scored(config: RunConfig, inference_box: Box, labelled: Box | None) -> Evaluation:
    """The evaluation section with its box filled in: what is both segmented and labelled; None if nothing is.

    Where the run file gives a training box and no evaluation box, and the two would share voxels, the
    training box is left out with a patch around it: floods there still look at what training saw. Raises
    InputError when a box that is given reaches outside.
    """
    evaluation, training = config.evaluation, config.training.box
    if labelled is None:
        return evaluation.model_copy(update={"box": None})
    if evaluation.box is not None:
        for name, outer in (("the labelled box", labelled), ("inference.box", inference_box)):
            if not outer.contains(evaluation.box):
                raise InputError(
                    f"evaluation.box {evaluation.box} reaches outside {name}, {outer}: set a part of that"
                )
        return evaluation
    box, exclude = inference_box & labelled, evaluation.exclude
    if exclude is None and config.trains and training is not None and not (box & training).is_empty:
        exclude = box & training.grow(patch_radius(config.network, config.training.reach))
    nothing_left = box.is_empty or (exclude is not None and exclude.contains(box))
    return evaluation.model_copy(update={"box": None if nothing_left else box, "exclude": exclude})


def seen_in_training(run: Run) -> Box | None:
    """The box of voxels that the run's network was trained on, if that is known.

    Patches of examples lie in it whole, so nothing beyond it was seen.
    """
    return run.config.training.box if run.config.trains else trained_on(run)


def share_seen(run: Run) -> float:
    """The share of the scored voxels that training saw."""
    return _share_in(run, seen_in_training(run))


def share_chosen_by(run: Run) -> float:
    """The share of the scored voxels by which the run chooses among the networks of its training."""
    return _share_in(run, run.config.training.validation_box if run.config.trains else None)


def _share_in(run: Run, known: Box | None) -> float:
    """The share of the scored voxels that lie in a box."""
    box, exclude = run.config.evaluation.box, run.config.evaluation.exclude
    if box is None or known is None:
        return 0.0
    left_out = exclude or Box(box.start, box.start)
    counted = box.size - (box & left_out).size
    counted_and_known = (box & known).size - (box & known & left_out).size
    return counted_and_known / counted if counted else 0.0


def why_not_scored(run: Run) -> str | None:
    """Why a resolved run that has labels scores nothing; None where it scores something, or has no labels."""
    if run.config.data.labels is None or run.config.evaluation.box is not None:
        return None
    labelled, exclude = labelled_box(run), run.config.evaluation.exclude
    if (run.inference_box & labelled).is_empty:
        return f"inference.box {run.inference_box} and the labels, at {labelled}, share no voxel"
    return (
        f"training.box, with a patch around it, covers all that is segmented and labelled ({exclude}); set "
        "evaluation.box to score on voxels that training saw all the same"
    )
