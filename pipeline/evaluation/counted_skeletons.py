"""Which part of skeletons counts in a run, and how much of that its training saw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.evaluation.nodes import ids_at
from pipeline.evaluation.skeletons import Skeletons
from pipeline.run_folder import Run
from pipeline.settings.scored import seen_in_training
from pipeline.volumes import VoxelSize, image_voxel_size_nm, open_mask


def voxel_size_of_skeletons(run: Run) -> VoxelSize:
    """The image's, by which nm are voxels. Raises InputError where it is unknown."""
    size = image_voxel_size_nm(run)
    if size is None:
        raise InputError("skeletons are in nm, and the image's voxel size is unknown: set data.voxel_size_nm")
    return size


def not_excluded(run: Run, traced: Skeletons) -> Skeletons:
    """What lies in the segmented box, outside `evaluation.exclude`. Raises InputError where the voxel size is
    unknown.
    """
    size, exclude = voxel_size_of_skeletons(run), run.config.evaluation.exclude
    found = traced.inside(run.inference_box, size)
    return found if exclude is None else found.where(~found.lies_in(exclude, size))


def counted(run: Run, traced: Skeletons) -> Skeletons:
    """That of it which lies in the mask, with `evaluation.within_mask`: as voxels count in the other scores.
    Reads the mask along all of it. Raises InputError as `not_excluded` does, or where that cannot be read.
    """
    found = not_excluded(run, traced)
    mask = open_mask(run) if run.config.evaluation.within_mask else None
    return found if mask is None else found.where(ids_at(mask, found, voxel_size_of_skeletons(run)) != 0)


def share_seen_along(run: Run, skeletons: Skeletons) -> float:
    """The share of the length of skeletons that lies in boxes that training saw. Raises InputError where the
    voxel size is unknown.
    """
    size, length = voxel_size_of_skeletons(run), skeletons.lengths_nm.sum()
    seen: NDArray[np.bool_] = np.zeros(len(skeletons.nodes_nm), bool)
    for box in seen_in_training(run):
        seen |= skeletons.lies_in(box, size)
    return float(skeletons.where(seen).lengths_nm.sum() / length) if length else 0.0
