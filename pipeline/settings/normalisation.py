"""Mean and standard deviation by which a run's image is normalised, where the run file leaves them open."""

from __future__ import annotations

import math

from pipeline.config import Data
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.input_identities import Known, read_kept
from pipeline.settings.last_start import settings_of_last_start
from pipeline.settings.sections import GREY
from pipeline.volumes import open_image
from pipeline.volumes.intensity import sample

PHANTOM = (128.0, 33.0)
"""What phantoms are normalised by: there is none to measure before the run, and they are much alike."""


def with_normalisation(run: Run, box: Box) -> Data:
    """The data section of a run that knows its inputs, with image_mean and image_stddev set.

    They are what the run file says, else those of the image that the run makes itself, else what an earlier
    start of the same run measured, else measured now on blocks spread over `box`. Raises InputError where the
    image has one value there, or too large ones.
    """
    data = run.config.data
    if data.image_mean is not None and data.image_stddev is not None:
        return data
    if run.makes_image:
        known = PHANTOM if data.image == "phantom" else GREY
        return data.model_copy(update=dict(zip(("image_mean", "image_stddev"), known)))
    recorded = _recorded(run, box)
    if recorded is not None:
        return recorded
    found = sample(open_image(run), box)
    if found is None:
        raise InputError(
            f"data.image {data.image} is blank in {box}: wherever it was looked at it has one value, or "
            "nothing is stored; choose another inference.box, or data.mip"
        )
    if not math.isfinite(found.mean) or not math.isfinite(found.stddev):
        raise InputError(
            f"data.image {data.image} has values as large as {max(-found.lowest, found.highest):g} in {box}: "
            "their standard deviation cannot be told; set data.image_mean and data.image_stddev"
        )
    return data.model_copy(update={"image_mean": found.mean, "image_stddev": found.stddev})


def _recorded(run: Run, box: Box) -> Data | None:
    """The data section that an earlier start wrote down, if it was of the same data and the same box.

    Of an image that has been written anew since, what was measured says nothing. Raises Unreadable.
    """
    earlier, image, now = settings_of_last_start(run), read_kept(run).get("image"), run.inputs.get("image")
    if earlier is None or image is None or now is None or image.content != Known(*now).content:
        return None
    left_open = {"image_mean": None, "image_stddev": None}
    same = earlier.data.model_copy(update=left_open) == run.config.data.model_copy(update=left_open)
    return earlier.data if same and earlier.inference.box == box else None
