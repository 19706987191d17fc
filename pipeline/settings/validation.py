"""The box by which a training's network is chosen: what it may not meet, and what is scored of it."""

from __future__ import annotations

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box


def check_validation(config: RunConfig, training_box: Box) -> None:
    """Raise InputError where the validation box is too small for a FOV, or holds what training is shown.

    Of `config` the boxes of training.volumes are filled in; `training_box` is that of the run's own.
    """
    box = config.training.validation_box
    assert box is not None, "only a box that is set is checked"
    for axis, length, fov in zip("zyx", box.shape, config.network.fov):
        if length < fov:
            raise InputError(
                f"training.validation_box {box} is {length} voxels along {axis}, smaller than the "
                f"network.fov of {fov}: enlarge the box"
            )
    trained_on = {"training.box": training_box}
    for index, volume in enumerate(config.training.volumes):
        if volume.box is not None and volume.data.has_the_image_of(config.data):
            trained_on[f"training.volumes.{index}.box"] = volume.box
    for name, trained in trained_on.items():
        if not (box & trained).is_empty:
            raise InputError(
                f"training.validation_box {box} and {name} {trained} share voxels, and a network is not "
                "chosen by what it was shown: set boxes that do not meet"
            )
