"""Classes of voxels by how much of their surroundings is the same object."""

from __future__ import annotations

from collections.abc import Iterator

import fastremap
import numpy as np
from scipy import ndimage

from pipeline.config import Sampling
from pipeline.geometry import Slices, Triple, triple

EXCLUDED = 255
"""Class of voxels that no example may be centred on."""


def partition(labels: np.ndarray, sampling: Sampling, large: np.ndarray | None = None) -> np.ndarray:
    """Class of every voxel of the (z, y, x) `labels`, uint8: where its fraction lies among `thresholds`.

    The fraction is that of same-label voxels in the box of `radius` around the voxel, as far as
    that box lies in the volume. Voxels of label 0, of segments under `min_segment_voxels` and closer
    than `boundary_distance` to another label are EXCLUDED. With `large`, these ids are of segments that are
    large enough: `labels` may then be a part of the volume.
    """
    compact, _ = fastremap.renumber(labels, preserve_zero=True)
    if large is None:
        is_large = np.bincount(compact.ravel()) >= sampling.min_segment_voxels
    else:
        is_large = np.zeros(int(compact.max()) + 1, bool)
        is_large[compact[np.isin(labels, large)]] = True
    classes = np.full(labels.shape, EXCLUDED, np.uint8)
    window = _window_sizes(labels.shape, sampling.radius)
    near = triple([sampling.boundary_distance] * 3)
    near_window = _window_sizes(labels.shape, near)
    for segment, where in _segments(compact):
        if not is_large[segment]:
            continue
        mask = compact[where] == segment
        counts = _box_count(mask, sampling.radius)
        mask &= _box_count(mask, near) == near_window[where]
        fraction = counts[mask] / window[where][mask]
        classes[where][mask] = np.digitize(fraction, sampling.thresholds)
    return classes


def _segments(compact: np.ndarray) -> Iterator[tuple[int, Slices]]:
    """Every label but 0 of a volume labelled 0, 1, 2, ... and the slices of its bounding box."""
    for index, where in enumerate(ndimage.find_objects(compact)):
        if where is not None:
            yield index + 1, where


def _box_count(mask: np.ndarray, radius: Triple) -> np.ndarray:
    """Number of set voxels within `radius` of each voxel along every axis: one running sum an axis."""
    counts = mask.astype(np.int32)
    for axis, r in enumerate(radius):
        length = counts.shape[axis]
        sums = np.insert(np.cumsum(counts, axis=axis, dtype=np.int32), 0, 0, axis=axis)
        first, stop = _window(length, r)
        counts = np.take(sums, stop, axis=axis) - np.take(sums, first, axis=axis)
    return counts


def _window_sizes(shape: tuple[int, ...], radius: Triple) -> np.ndarray:
    """Voxels of the box of `radius` around each voxel that lie in the volume."""
    z, y, x = (np.subtract(*reversed(_window(n, r))) for n, r in zip(shape, radius))
    return z[:, None, None] * y[:, None] * x


def _window(length: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(length)
    return np.maximum(at - radius, 0), np.minimum(at + radius + 1, length)
