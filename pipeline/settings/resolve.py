"""Before anything runs: fill in what the run file leaves open, and refuse what cannot work.

Nothing here writes to disk, so a dry run and a refused run leave no trace.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from pipeline.config import Network, RunConfig
from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box
from pipeline.inference.pinning import with_pin
from pipeline.run_folder import Run
from pipeline.settings.evaluation import FROM_LABELS
from pipeline.settings.fields import Section
from pipeline.settings.inference import Pass
from pipeline.settings.input_identities import with_identities
from pipeline.settings.last_start import with_moves_as_begun
from pipeline.settings.normalisation import normalised, with_own_normalisation
from pipeline.settings.other_volume import OtherVolume
from pipeline.settings.presets import with_preset
from pipeline.settings.scored import scored
from pipeline.settings.sharding import refuse_single_chunks
from pipeline.settings.validation import check_validation
from pipeline.volumes import labelled_box, open_image
from pipeline.wording import counted


def resolve(config: RunConfig, folder: Path, trust_kept: bool = False) -> Run:
    """Return the run with every box filled in, every path absolute, its inputs identified; raises InputError.

    Boxes left open become: inference, the whole image; training, the labelled part; evaluation, what is both
    segmented and labelled. A preset becomes the settings that it stands for; mean and standard deviation of
    the image are measured. A training that an earlier version began by its defaults keeps its moves. The
    engine is that of the finished tiles, if there are any. With `trust_kept`, inputs are taken for what the
    last start found them to be.
    """
    run = with_moves_as_begun(with_sections(Run(folder.resolve(), config)))
    config = run.config
    image_box = _image_box(run)
    labelled = labelled_box(run) if config.data.labels else None
    inference_box = config.inference.box or image_box
    _inside("inference.box", inference_box, "the image", image_box)
    inference = with_preset(config.inference, config.network)
    updates: dict[str, Section] = {
        "inference": inference.model_copy(update={"box": inference_box, "passes": _located_passes(config)}),
        "reconciliation": config.reconciliation.model_copy(
            update={"corrections": _located(config, config.reconciliation.corrections)}
        ),
        "evaluation": scored(config, inference_box, labelled).model_copy(
            update={"skeletons": _skeletons(config)}
        ),
    }
    if config.trains:
        if labelled is None:
            raise InputError("data.labels is not set: training needs labels, or set network.checkpoint")
        training_box = config.training.box or labelled
        _inside("training.box", training_box, "the labelled box", labelled)
        _check_patches(config, training_box)
        if config.training.validation_box is not None:
            _inside("training.validation_box", config.training.validation_box, "the labelled box", labelled)
            _inside("training.validation_box", config.training.validation_box, "the image", image_box)
        training = config.training.model_copy(
            update={
                "box": training_box,
                "start_from": _located(config, config.training.start_from),
                "volumes": tuple(
                    _resolved_volume(run, index) for index in range(len(config.training.volumes))
                ),
            }
        )
        updates["training"] = training
    else:
        checkpoint = _located(config, config.network.checkpoint)
        updates["network"] = config.network.model_copy(update={"checkpoint": checkpoint})
    resolved = replace(run, config=config.model_copy(update=updates))
    refuse_smaller_than_fov(inference_box, config.network)
    _check_passes(resolved)
    if config.reconciliation.sharded:
        refuse_single_chunks(inference_box.shape, config.reconciliation)
    known = with_identities(resolved, trust_kept)
    check_validation(known)
    return with_pin(with_own_normalisation(known, inference_box))


def _resolved_volume(run: Run, index: int) -> OtherVolume:
    """One of `training.volumes` with its box and normalisation; what is wrong with it says which it is."""
    volume, own = run.config.training.volumes[index], run.trained_on[1 + index]
    try:
        labelled = labelled_box(own)
        box = volume.box or labelled
        _inside("its box", box, "the labelled box", labelled)
        _check_patches(own.config, box)
        return volume.model_copy(update={"box": box, "data": normalised(own, box)})
    except InputError as error:
        raise InputError(f"training.volumes.{index}: {error}") from None


def with_sections(run: Run) -> Run:
    """The run with the place of the image that it makes of sections, if it does."""
    if run.config.sections is None:
        return run
    from pipeline.sections import read_stack  # which loads SciPy

    stack, _ = read_stack(run.config.sections, run.folder)
    return replace(run, aligned=stack.box)


def _image_box(run: Run) -> Box:
    if run.uses_phantom:
        return Box.of_shape(run.config.data.phantom.shape)
    return open_image(run).box


def _located(config: RunConfig, path: str | None) -> str | None:
    """The absolute path of a file that the run reads, whose own is relative to data.folder."""
    folder = config.data.folder
    assert not isinstance(folder, list), "load_config chooses one of the candidates"
    return str((Path(folder or ".") / os.path.expanduser(path)).resolve()) if path else None


def _located_passes(config: RunConfig) -> tuple[Pass, ...]:
    return tuple(
        one.model_copy(update={"checkpoint": _located(config, one.checkpoint)})
        for one in config.inference.passes
    )


def _skeletons(config: RunConfig) -> str | None:
    skeletons = config.evaluation.skeletons
    return skeletons if skeletons == FROM_LABELS else _located(config, skeletons)


def _inside(name: str, box: Box, outer_name: str, outer: Box) -> None:
    if not outer.contains(box):
        raise InputError(f"{name} {box} reaches outside {outer_name}, {outer}: set it to a part of that")


def _check_patches(config: RunConfig, training_box: Box) -> None:
    """Raise InputError where the training box has no room for the patch of a single example."""
    patch = [2 * r + 1 for r in patch_radius(config.network, config.training.reach)]
    for axis, length, wanted in zip("zyx", training_box.shape, patch):
        if length < wanted:
            raise InputError(
                f"training.box {training_box} is {counted(length, 'voxel')} along {axis}; an example takes "
                f"{wanted}: network.fov plus twice training.moves_reach times network.deltas; "
                "enlarge the box, or lower these"
            )


def refuse_smaller_than_fov(box: Box, network: Network) -> None:
    """Raise InputError where no FOV fits into the box that is to be segmented."""
    for axis, length, fov in zip("zyx", box.shape, network.fov):
        if length < fov:
            lower = "lower the FOV" if network.checkpoint is None else "take a network that has a smaller one"
            raise InputError(
                f"inference.box {box} is {counted(length, 'voxel')} along {axis}, "
                f"smaller than the network.fov of {fov}: enlarge the box, or {lower}"
            )


def _check_passes(run: Run) -> None:
    """Raise InputError where two passes come to the same, by what each leaves open too."""
    ways = [(one.config.inference, one.config.network) for one in run.passes]
    for number, way in enumerate(ways):
        if way in ways[:number]:
            raise InputError(
                f"inference.passes.{ways.index(way)} and .{number} segment in the same way: "
                "let them differ, e.g. in seed_order"
            )
