"""Where seeds may lie: in tissue, and not where the image is missing."""

from __future__ import annotations

import numpy as np

from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.volumes import Volume, open_mask


def seed_mask(run: Run, voxels: np.ndarray, box: Box, missing: list[Box]) -> np.ndarray | None:
    """Of every voxel of `box` whether a seed may lie there, (z, y, x) bool; None where all may.

    `voxels` is the image in `box`; `missing` are the chunks of it that are not stored, which read as black.
    Elsewhere data.mask must not be 0, and the image be within data.tissue_range. Raises InputError.
    """
    mask, tissue = open_mask(run), run.config.data.tissue_range
    if not missing and mask is None and tissue is None:
        return None
    allowed = np.ones(box.shape, bool) if mask is None else _read_where_covered(mask, box) != 0
    if tissue is not None:
        allowed &= (voxels >= tissue[0]) & (voxels <= tissue[1])
    for chunk in missing:
        allowed[(chunk & box).slices(box.start)] = False
    return allowed


def _read_where_covered(volume: Volume, box: Box) -> np.ndarray:
    """The volume in `box`; 0 where it does not reach."""
    voxels = np.zeros(box.shape, volume.dtype)
    covered = box & volume.box
    if not covered.is_empty:
        voxels[covered.slices(box.start)] = volume.read(covered)
    return voxels
