"""Whether a resolved run's image can be read, is complete, and looks like an image of tissue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.checkup.finding import Finding, fail, ok, skip, together, warn
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, spread, triple
from pipeline.run_folder import Run
from pipeline.volumes import Volume, open_image
from pipeline.volumes.absence import absence, of_slices, refuse_too_much
from pipeline.volumes.frame import same_size, size_text
from pipeline.volumes.intensity import sample

BLOCK = (64, 512, 512)
MOST_FLOAT_BLOCKS = 64
"""Read beforehand of images in floating point, which may hold NaN."""

SMALLEST_NM, LARGEST_NM = 0.1, 1e5
"""Voxel sizes beyond these are those of another unit."""

STEPS = 8
"""As many that float32 can tell apart a standard deviation has to have."""

FEW_CLEAR = 0.5
"""A smaller share of the places where examples could be centred, if only that is clear of gaps, is told."""

MOST_PLACES = 24
"""That are tried along each axis."""

SATURATED = 0.2
"""A larger share of voxels that have the lowest value, or the highest, is told."""


def image(run: Run) -> Finding:
    """What the image is and where it lies, some of it read. Raises InputError."""
    if run.makes_image:
        return skip("the run makes its own")
    volume = open_image(run)
    most = MOST_FLOAT_BLOCKS if volume.dtype.kind == "f" else 2
    for block in run.inference_box.spread_blocks(BLOCK, most):
        volume.read(block)
    found, stated = describe(volume), volume.frame.stated_nm
    if volume.voxel_size_nm is None:
        return warn(found, "the segmentation will say 1 x 1 x 1 nm unless you set data.voxel_size_nm")
    if stated is not None and not same_size(stated, volume.voxel_size_nm):
        return warn(f"{found} by data.voxel_size_nm", f"its file says {size_text(stated)}")
    doubts = _doubts_of_size(volume, run.config.data.voxel_size_nm is not None)
    return warn(found, "; ".join(doubts)) if doubts else ok(found)


def _doubts_of_size(volume: Volume, is_set: bool) -> list[str]:
    """What makes one doubt the voxel size of an image, by its file or, where it `is_set`, by the run file."""
    assert volume.voxel_size_nm is not None
    (z, y, x), doubts = volume.voxel_size_nm, []
    if min(z, y, x) < SMALLEST_NM or max(z, y, x) > LARGEST_NM:
        doubts.append("that is no size of a voxel: is its unit another? set data.voxel_size_nm")
    if is_set:
        return doubts
    if volume.frame.stated_otherwise:
        doubts.append(f"{volume.frame.stated_otherwise}: set data.voxel_size_nm to that which is right")
    if x > y and same_size((z, y, x), (y, y, x)) and not same_size((z, y, x), (z, y, y)):
        doubts.append(
            "pixels that are longer along one side than the other: does its file list x, y, z? set "
            "data.voxel_size_nm, z, y, x"
        )
    return doubts


def describe(volume: Volume, stored_dtype: np.dtype | None = None) -> str:
    """Uri, format, dtype, box and voxel size of a volume, in one line."""
    dtype, size = stored_dtype or volume.dtype, size_text(volume.voxel_size_nm)
    return f"{volume.uri}: {volume.format}, {dtype}, {volume.box}, {size}"


def completeness(run: Run) -> Finding:
    """Whether all of the image is stored that is segmented or trained on. Raises InputError."""
    if run.makes_image:
        return skip("the run makes its own")
    volume = open_image(run)
    return together([gaps(run, volume, name, box) for name, box in read_boxes(run).items()])


def gaps(run: Run, volume: Volume, name: str, box: Box) -> Finding:
    """What the image lacks in the box of a setting and, of a training box, where examples can still lie.

    Raises InputError where it lacks more than it may.
    """
    if volume.chunk is None:
        return ok("stored as a whole")
    noun = "slices of the image" if of_slices(volume) else "chunks of the image"
    found = absence(volume, box)
    if not found.missing:
        return ok(f"no missing {noun}")
    text = f"{found.text(noun)}, in {name} {box}"
    refuse_too_much(found.share, text, volume, run.config.data)
    clear = _clear_of(found.gaps, run, volume, box) if name == "training.box" else 1.0
    if not clear:
        return fail(text, "the patch of every example that was tried there touches some: use another box")
    black = "they are black: nothing is seeded there, and no training patch touches them"
    if clear < FEW_CLEAR:
        black += f"; that leaves {clear:.0%} of the places where examples can be centred"
    return warn(text, black)


def _clear_of(missing: Sequence[Box], run: Run, volume: Volume, box: Box) -> float:
    """The share of the places in a training box whose patch touches nothing missing, by a look at some."""
    from pipeline.training.sampling import clear_of  # which loads SciPy

    radius = patch_radius(run.config.network, run.config.training.reach)
    inner = box.grow(triple([-r for r in radius]))
    most = (inner.shape[0], 1, 1) if of_slices(volume) else (MOST_PLACES,) * 3
    along = [spread(range(a, b), n) for a, b, n in zip(inner.start, inner.stop, most)]
    places = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3)
    return float(clear_of(missing, places, radius).mean())


def read_boxes(run: Run) -> dict[str, Box]:
    """The boxes of the image that the run reads, by the settings that say so."""
    training = run.config.training
    own = {"training.box": training.box, "training.validation_box": training.validation_box}
    trained = {name: box for name, box in own.items() if box is not None and run.config.trains}
    return {"inference.box": run.inference_box, **trained}


def intensity(run: Run) -> Finding:
    """Whether the image has contrast, and whether it is normalised as it is."""
    if run.makes_image:
        return skip("the run makes its own")
    volume = open_image(run)
    found = sample(volume, run.inference_box)
    if found is None:
        return fail(
            f"the image is blank in inference.box {run.inference_box}, wherever it was looked at",
            "choose another box, or data.mip",
        )
    mean, stddev = run.normalisation
    text = f"mean {found.mean:g}, standard deviation {found.stddev:g}, {found.lowest:g} to {found.highest:g}"
    step = float(np.spacing(np.float32(max(abs(found.lowest), abs(found.highest)))))
    if volume.dtype.itemsize >= 4 and step * STEPS > found.stddev:
        return fail(
            f"{text}: in steps of {step:g}, which is what float32 has there, little is left of it",
            "subtract the mean from the image, or save it as 16 bits",
        )
    doubts, tissue = [], run.config.data.tissue_range
    if not found.is_of_tissue:
        doubts.append(
            f"most voxels are near {found.median:g}, and a few far from it: padding, of which a network may "
            "give NaN"
        )
    elif abs(found.mean - mean) > stddev or not 0.5 < found.stddev / stddev < 2:
        doubts.append(
            f"but data.image_mean is {mean:g} and data.image_stddev {stddev:g}: leave both out to have them "
            "measured, unless the network was trained with them on such an image"
        )
    if tissue is not None and (tissue[0] > found.highest or tissue[1] < found.lowest):
        doubts.append(f"none is in data.tissue_range {list(tissue)}: nothing would be seeded")
    for share, value in ((found.at_lowest, found.lowest), (found.at_highest, found.highest)):
        if share > SATURATED:
            doubts.append(f"{share:.0%} of the voxels are {value:g}: the image may be saturated or padded")
    if doubts:
        return warn(text, "; ".join(doubts))
    return ok(text)
