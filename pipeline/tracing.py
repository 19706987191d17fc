"""Skeletons of labels by kimimaro (TEASAR): what all who make some have in common."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from pipeline.errors import InputError

LEAST_VOXELS = 1000
"""Smaller objects have no skeleton."""

TEASAR = {
    "scale": 1.5,
    "const": 300,
    "pdrf_scale": 100_000,
    "pdrf_exponent": 4,
    "soma_detection_threshold": 750,
    "soma_acceptance_threshold": 3500,
    "soma_invalidation_scale": 2,
    "soma_invalidation_const": 300,
}
"""kimimaro's own; lengths are in nm."""

REACH = 2.0
"""How far to either side the paths of skeletons are smoothed, in the longest sides of voxels."""


def kimimaro_or_mend(otherwise: str = "name a file of skeletons") -> ModuleType:
    """The package. Raises InputError where it is not installed, which says what to do `otherwise`."""
    try:
        import kimimaro
    except ImportError as error:
        raise InputError(
            f"skeletons are made from labels by kimimaro, which cannot be imported ({error}): "
            f"pip install 'kimimaro>=5.8', or {otherwise}"
        ) from None
    return kimimaro


def smoothed(skeleton: Any, nodes: np.ndarray, voxel_size_nm: tuple[float, ...]) -> np.ndarray:
    """The `nodes` of a skeleton of kimimaro's, (n, 3) in nm, its paths between ends and branches smoothed.

    kimimaro's paths lead from voxel to voxel, to and fro between such as lie equally deep in the object, and
    are too long by that, most where sections are thick.
    """
    smooth = nodes.copy()
    places = {tuple(vertex): place for place, vertex in enumerate(skeleton.vertices)}
    for path in skeleton.interjoint_paths():  # whose indices are those of a piece
        at = [places[tuple(vertex)] for vertex in path]
        smooth[at] = along(nodes[at], REACH * max(voxel_size_nm))
    return smooth


def along(path: np.ndarray, reach: float) -> np.ndarray:
    """Each point of a path, (n, 3), as the mean of the path for so far to either side; its ends stay.

    Near an end as much is taken to one side as there is to the other.
    """
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    middles = (path[1:] + path[:-1]) / 2
    sums = np.concatenate([np.zeros((1, 3)), np.cumsum(middles * steps[:, np.newaxis], axis=0)])
    half = np.minimum(reach, np.minimum(at, at[-1] - at))
    inner = half > 0
    begins, ends = (at - half)[inner], (at + half)[inner]
    smooth = path.copy()
    for axis in range(3):
        between = np.interp(ends, at, sums[:, axis]) - np.interp(begins, at, sums[:, axis])
        smooth[inner, axis] = between / (ends - begins)
    return smooth
