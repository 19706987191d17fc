"""Before anything runs: fill in what the run file leaves open, and refuse what cannot work.

Nothing here writes to disk, so a dry run and a refused run leave no trace.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.fields import Section
from pipeline.settings.input_identities import with_identities
from pipeline.settings.normalisation import with_normalisation
from pipeline.settings.presets import with_preset
from pipeline.volumes import labelled_box, open_image


def resolve(config: RunConfig, folder: Path) -> Run:
    """Return the run with every box filled in, every path absolute, its inputs identified; raises InputError.

    Boxes left open become: inference, the whole image; training, the labelled part;
    evaluation, what is both segmented and labelled. A preset becomes the settings that it stands for.
    """
    run = Run(folder.resolve(), config)
    image_box = _image_box(run)
    labelled = labelled_box(run) if config.data.labels else None
    inference_box = config.inference.box or image_box
    _inside("inference.box", inference_box, "the image", image_box)
    inference = with_preset(config.inference, config.network)
    updates: dict[str, Section] = {
        "data": with_normalisation(run, inference_box),
        "inference": inference.model_copy(update={"box": inference_box}),
        "evaluation": config.evaluation.model_copy(
            update={"box": _evaluation_box(config, inference_box, labelled)}
        ),
    }
    if config.trains:
        if labelled is None:
            raise InputError("data.labels is not set: training needs labels, or set network.checkpoint")
        training_box = config.training.box or labelled
        _inside("training.box", training_box, "the labelled box", labelled)
        updates["training"] = config.training.model_copy(update={"box": training_box})
    else:
        checkpoint = str(_checkpoint(config))
        updates["network"] = config.network.model_copy(update={"checkpoint": checkpoint})
    resolved = Run(run.folder, config.model_copy(update=updates))
    _check_tiles(resolved)
    return with_identities(resolved)


def _image_box(run: Run) -> Box:
    if run.uses_phantom:
        return Box.of_shape(run.config.data.phantom.shape)
    return open_image(run).box


def _evaluation_box(config: RunConfig, inference_box: Box, labelled: Box | None) -> Box | None:
    if labelled is None:
        return None
    box = config.evaluation.box or inference_box & labelled
    if box.is_empty:
        raise InputError(f"inference.box {inference_box} and the labelled box {labelled} share no voxel")
    _inside("evaluation.box", box, "the labelled box", labelled)
    _inside("evaluation.box", box, "inference.box", inference_box)
    return box


def _checkpoint(config: RunConfig) -> Path:
    checkpoint, folder = Path(config.network.checkpoint or "").expanduser(), config.data.folder
    assert not isinstance(folder, list), "load_config chooses one of the candidates"
    return (Path(folder or ".") / checkpoint).resolve()


def _inside(name: str, box: Box, outer_name: str, outer: Box) -> None:
    if not outer.contains(box):
        raise InputError(f"{name} {box} reaches outside {outer_name}, {outer}")


def _check_tiles(run: Run) -> None:
    for axis, length, fov in zip("zyx", run.inference_box.shape, run.config.network.fov):
        if length < fov:
            raise InputError(
                f"inference.box {run.inference_box} is {length} voxels along {axis}, "
                f"smaller than the network.fov of {fov}"
            )
