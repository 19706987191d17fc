"""Which voxels a run scores, which of these its training saw or was judged by, and why there may be none."""

from __future__ import annotations

from collections.abc import Sequence

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


def seen_in_training(run: Run) -> list[Box]:
    """The boxes of the run's image on which its networks were trained, as far as that is known.

    They are its own, those of `training.volumes` that are of the same image, and those of each network that
    it starts from or imports. Patches of examples lie in them whole, so nothing beyond them was seen.
    """
    known: list[Box] = []
    imported = {one.config.network.checkpoint for one in run.passes}
    if run.config.trains:
        imported |= {run.config.training.start_from}
        own = [one.config.training.box for one in run.trained_on if one.has_the_image_of(run)]
        known = [box for box in own if box is not None]
    return known + [box for network in sorted(filter(None, imported)) for box, *_ in trained_on(run, network)]


def share_seen(run: Run) -> float:
    """The share of the scored voxels that training saw."""
    return _share_in(run, seen_in_training(run))


def share_chosen_by(run: Run) -> float:
    """The share of the scored voxels by which the run chooses among the networks of its training."""
    chosen_by = run.config.training.validation_box if run.config.trains else None
    return _share_in(run, [chosen_by] if chosen_by else [])


def _share_in(run: Run, known: Sequence[Box]) -> float:
    """The share of the scored voxels that lie in any of some boxes."""
    box, exclude = run.config.evaluation.box, run.config.evaluation.exclude
    if box is None:
        return 0.0
    left_out = exclude or Box(box.start, box.start)
    counted = box.size - (box & left_out).size
    inside = [box & each for each in known]
    counted_and_known = _voxels_of(inside) - _voxels_of([each & left_out for each in inside])
    return counted_and_known / counted if counted else 0.0


def _voxels_of(boxes: Sequence[Box]) -> int:
    """Voxels that lie in any of some boxes."""
    full = dict.fromkeys(box for box in boxes if not box.is_empty)
    outer = [box for box in full if not any(other.contains(box) for other in full if other != box)]
    if not outer:
        return 0
    first, *others = outer
    return first.size + _voxels_of(others) - _voxels_of([first & other for other in others])


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
