"""Voxels near a border of the truth, where people who label disagree: CREMI leaves them out of its scores."""

from __future__ import annotations

import math

import edt
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import VoxelSize
from pipeline.volumes.labels import LabelVolume


def away_from_borders(
    truth: LabelVolume, block: Box, distance_nm: float, voxel_size_nm: VoxelSize | None, mend: str
) -> NDArray[np.bool_]:
    """Which voxels of a block lie further than a distance from every border in their section, (z, y, x).

    As CREMI's `create_border_mask`: a voxel is of a border if one of its four neighbours in y and x has
    another id, as stored, and 0 is an id; where the truth ends is no border. Raises InputError, which ends
    with `mend`, where the voxel size is unknown, and as reading does.
    """
    if voxel_size_nm is None:
        raise InputError(
            f"voxels within {distance_nm:g} nm of a border of {truth.uri} are to be left out, and how large "
            f"voxels are is unknown: {mend}"
        )
    y, x = voxel_size_nm[1:]
    around = block.grow((0, math.floor(distance_nm / y) + 1, math.floor(distance_nm / x) + 1)) & truth.box
    inside = ~_borders(truth.read_stored(around))
    away = np.stack([edt.edtsq(section, anisotropy=(y, x), black_border=False) for section in inside])
    return (away > distance_nm**2)[block.slices(around.start)]


def _borders(ids: np.ndarray) -> NDArray[np.bool_]:
    """Which voxels have another id beside them in y or x."""
    found = np.zeros(ids.shape, bool)
    for axis in (1, 2):
        here, along = np.moveaxis(found, axis, 0), np.moveaxis(ids, axis, 0)
        differ = along[1:] != along[:-1]
        here[1:] |= differ
        here[:-1] |= differ
    return found
