"""Before anything runs: fill in what the run file leaves open, and refuse what cannot work.

Nothing here writes to disk, so a dry run and a refused run leave no trace.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.ffn.weights import read_weights
from pipeline.geometry import Box
from pipeline.results.folders import existing_part
from pipeline.run_folder import Run
from pipeline.settings.estimate import bytes_on_disk
from pipeline.settings.fields import Section
from pipeline.settings.input_identities import with_identities
from pipeline.settings.presets import with_preset
from pipeline.volumes import Volume, open_image, open_labels


def resolve(config: RunConfig, folder: Path) -> Run:
    """Return the run with every box filled in, every path absolute, its inputs identified; raises InputError.

    Boxes left open become: inference, the whole image; training, the labelled part;
    evaluation, what is both segmented and labelled. A preset becomes the settings that it stands for.
    """
    run = Run(folder.resolve(), config)
    image_box = _image_box(run)
    labelled = _labelled_box(run, image_box)
    inference_box = config.inference.box or image_box
    inference = with_preset(config.inference, config.network)
    updates: dict[str, Section] = {
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
    _inside("inference.box", inference_box, "the image", image_box)
    resolved = Run(run.folder, config.model_copy(update=updates))
    _check_tiles(resolved)
    return with_identities(resolved)


def check(run: Run) -> None:
    """Refuse a run that could not end: unreadable input, wrong checkpoint, no room, no permission.

    Raises InputError with the first thing that is wrong.
    """
    if run.config.network.checkpoint:
        read_weights(run.config.network.checkpoint, run.config.network)
    _check_writable(run.folder)
    _check_room(run)
    if not run.uses_phantom:
        _check_readable(open_image(run), run.inference_box)


def _image_box(run: Run) -> Box:
    if run.uses_phantom:
        return Box.of_shape(run.config.data.phantom.shape)
    return open_image(run).box


def _labelled_box(run: Run, image_box: Box) -> Box | None:
    data = run.config.data
    if data.labels is None:
        return None
    if data.labels != "phantom":
        open_labels(run)
    return data.labels_box or image_box


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


def _check_writable(folder: Path) -> None:
    existing = existing_part(folder)
    if not existing.is_dir():
        raise InputError(f"run folder {folder}: {existing} is a file, not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"run folder {folder}: no permission to write in {existing}")


def _check_room(run: Run) -> None:
    needed, free = bytes_on_disk(run), shutil.disk_usage(existing_part(run.folder)).free
    if needed > free:
        raise InputError(
            f"run folder {run.folder}: about {needed / 1e9:.1f} GB are needed on this disk, "
            f"{free / 1e9:.1f} GB are free"
        )


def _check_readable(image: Volume, box: Box) -> None:
    """Read the first and last block, and of float images (they may hold NaN) up to 64 in between."""
    blocks = box.blocks((64, 512, 512))
    count = min(len(blocks), 64 if image.dtype.kind == "f" else 2)
    for index in np.linspace(0, len(blocks) - 1, count).astype(int):
        image.read(blocks[index])
