"""What the values of an image are like, by a sample of blocks spread over a box."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple
from pipeline.volumes.volume import Volume

BLOCK: Triple = (32, 64, 64)
BLOCK_OF_SLICES: Triple = (1, 512, 512)
"""Where each z has a file of its own, every block may mean that a whole slice is decoded."""

MOST_BLOCKS = 48
DIGITS = 6
"""Of mean and standard deviation: as many as float32 has, and short enough to be read. A mean has more where
it is more than a hundred standard deviations."""

FAR = 100
"""Median distances from the median: a standard deviation beyond these is of values that are no tissue's."""

Read = Callable[[Box], np.ndarray]


@dataclass(frozen=True)
class Intensity:
    """Of the sampled voxels that are stored, blocks of one value left out: they are padding."""

    voxels: int
    mean: float
    stddev: float
    lowest: float
    highest: float
    at_lowest: float
    """The share of voxels that have the lowest value."""
    at_highest: float
    median: float
    is_of_tissue: bool
    """Whether mean and standard deviation are; else few values are so far from all others that they are of
    these alone, as of -1e38 in padding."""


def sample_blocks(volume: Volume, box: Box) -> list[Box]:
    """At most MOST_BLOCKS small blocks, evenly spread over the part of `box` that `volume` covers."""
    shape = BLOCK_OF_SLICES if volume.chunk is not None and volume.chunk[0] == 1 else BLOCK
    return (box & volume.box).spread_blocks(shape, MOST_BLOCKS)


def sample(volume: Volume, box: Box) -> Intensity | None:
    """The intensity of `volume` in `box`; None where all that is stored has one value, or nothing is stored.

    The same data give the same numbers. Raises InputError where a block cannot be read.
    """
    return of_blocks([_stored_voxels(volume, block) for block in sample_blocks(volume, box)])


def _stored_voxels(volume: Volume, box: Box) -> np.ndarray:
    """The voxels of a box that are not missing, in one row."""
    stored = np.ones(box.shape, bool)
    for chunk in volume.missing(box):
        stored[(chunk & box).slices(box.start)] = False
    return volume.read(box)[stored]


def of_blocks(blocks: list[np.ndarray]) -> Intensity | None:
    """The intensity of all voxels of some blocks together; None if none has two values."""
    varied = [block.reshape(-1) for block in blocks if block.size and block.min() != block.max()]
    if not varied:
        return None
    values = np.concatenate(varied).astype(np.float64)
    lowest, highest = values.min(), values.max()
    with np.errstate(over="ignore", invalid="ignore"):  # who asks looks whether they are finite
        mean, stddev, median = values.mean(), values.std(), np.median(values)
        usual = np.median(np.abs(values - median))
    return Intensity(
        voxels=values.size,
        mean=float(f"{mean:.{DIGITS + _more(mean, stddev)}g}"),
        stddev=float(f"{stddev:.{DIGITS}g}"),
        lowest=float(lowest),
        highest=float(highest),
        at_lowest=float(np.mean(values == lowest)),
        at_highest=float(np.mean(values == highest)),
        median=float(median),
        is_of_tissue=not 0 < FAR * usual < stddev,
    )


def refuse_padded(found: Intensity, uri: str, box: Box) -> None:
    """Raise InputError where mean and standard deviation are not those of tissue."""
    if not found.is_of_tissue:
        raise InputError(
            f"data.image {uri} has values from {found.lowest:g} to {found.highest:g} in {box}, most of them "
            f"near {found.median:g}: some are padding, which spoils their mean and standard deviation; save "
            f"{found.median:g} there, or, if all are right, set data.image_mean and data.image_stddev"
        )


def _more(mean: float, stddev: float) -> int:
    """Digits by which a mean of many standard deviations is to be longer to be told as well as others."""
    if not (np.isfinite(mean) and 0 < stddev < np.inf):
        return 0
    return max(0, math.ceil(math.log10(max(1.0, abs(mean) / stddev))) - 2)
