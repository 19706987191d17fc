"""The box by which a training's network is chosen: what it may not meet, and what is scored of it."""

from __future__ import annotations

from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.wording import counted


def check_validation(run: Run) -> None:
    """Raise InputError where the validation box is too small for a FOV, or holds what training is shown.

    The run is resolved, and knows what its images are.
    """
    config, box = run.config, run.config.training.validation_box
    if box is None or not config.trains:
        return
    for axis, length, fov in zip("zyx", box.shape, config.network.fov):
        if length < fov:
            raise InputError(
                f"training.validation_box {box} is {counted(length, 'voxel')} along {axis}, smaller than the "
                f"network.fov of {fov}: enlarge the box"
            )
    for number, one in enumerate(run.trained_on):
        name = f"training.volumes.{number - 1}.box" if number else "training.box"
        trained = one.config.training.box
        assert trained is not None, "a resolved configuration has a training box"
        if one.has_the_image_of(run) and not (box & trained).is_empty:
            raise InputError(
                f"training.validation_box {box} and {name} {trained} share voxels, and a network is not "
                "chosen by what it was shown: set boxes that do not meet"
            )
