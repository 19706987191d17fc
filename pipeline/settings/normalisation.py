"""Mean and standard deviation by which a run's image is normalised, where the run file leaves them open."""

from __future__ import annotations

import math
from dataclasses import replace

from pipeline.config import Data
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.input_identities import Known
from pipeline.settings.last_start import has_trained, settings_of_last_start
from pipeline.settings.sections import GREY
from pipeline.volumes import open_image
from pipeline.volumes.intensity import refuse_padded, sample

PHANTOM = (128.0, 33.0)
"""What phantoms are normalised by: there is none to measure before the run, and they are much alike."""


def with_own_normalisation(run: Run, box: Box) -> Run:
    """The run that knows its inputs, with image_mean and image_stddev set: as the run file says or, of an
    image that the run makes, as that is known to come out; else what is measured on blocks spread over `box`.

    That is kept with what the run knows of the image, as long as the image is the same: it is measured once,
    and in another box only where no network was trained by it, which would be lost. Raises InputError as
    `normalised` does.
    """
    if run.config.data.image_mean is not None or run.makes_image:
        return _with_data(run, normalised(run, box))
    image, is_needed = Known(*run.inputs["image"]), run.config.trains and has_trained(run)
    measured = image.measured or (_measured_by_earlier_version(run) if is_needed else "")
    before = measured.split()
    if before and (is_needed or before[2] == str(box)):
        data = _by(run, float(before[0]), float(before[1]))
    else:
        data = normalised(run, box)
        measured = f"{data.image_mean} {data.image_stddev} {box}"
    return replace(_with_data(run, data), inputs={**run.inputs, "image": image._replace(measured=measured)})


def _measured_by_earlier_version(run: Run) -> str:
    """What the last start measured, where its settings alone say it; nothing where they were given by hand.

    Raises Unreadable.
    """
    last = settings_of_last_start(run)
    if last is None or last.inference.box is None:
        return ""
    mean, stddev, box = last.data.image_mean, last.data.image_stddev, last.inference.box
    found = sample(open_image(run), box)
    return f"{mean} {stddev} {box}" if found and (found.mean, found.stddev) == (mean, stddev) else ""


def normalised(run: Run, box: Box) -> Data:
    """The data section of a run with image_mean and image_stddev set, measured now in `box` if need be.

    Raises InputError where the image has one value there, or too large ones.
    """
    data = run.config.data
    if data.image_mean is not None and data.image_stddev is not None:
        return data
    if run.makes_image:
        return _by(run, *(PHANTOM if data.image == "phantom" else GREY))
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
    refuse_padded(found, data.image, box)
    return _by(run, found.mean, found.stddev)


def _by(run: Run, mean: float, stddev: float) -> Data:
    return run.config.data.model_copy(update={"image_mean": mean, "image_stddev": stddev})


def _with_data(run: Run, data: Data) -> Run:
    return replace(run, config=run.config.model_copy(update={"data": data}))
