"""Decision points: where two segments of a block are closest to each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import edt
import numpy as np
from skimage.segmentation import expand_labels

from pipeline.agglomeration.tables import POINT, write_table
from pipeline.agglomeration.targets import points_reach, points_target
from pipeline.geometry import Box, Triple
from pipeline.results.artifacts import Artifact
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import open_volume

NEXT = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def find_points(run: Run, block: Box, segmentation: Sequence[Artifact]) -> Artifact:
    """Find where segments of the run's volume come close in a block; a table of POINT, sorted by the ids.

    `segmentation` are the parts of the volume that meet `points_reach(run, block)`. Raises InputError when
    the volume cannot be read.
    """

    def write(path: Path) -> None:
        around = points_reach(run, block)
        labels = open_volume(run.volume_uri).read(around)
        write_table(path, closest_points(labels, around.start, block, run.config.agglomeration.max_gap))

    return make(points_target(run, block, segmentation), write)


def closest_points(labels: np.ndarray, start: Triple, block: Box, max_gap: int) -> np.ndarray:
    """One row for each pair of segments that come within `max_gap` voxels of each other in `block`.

    `labels` are uint64 (z, y, x) over a box that starts at `start` and holds `block`. Segments are grown into
    what is blank until they meet. A pair's point is, of the voxels of `block` where the two meet with the
    smallest gap, the one in their middle.
    """
    ids, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape).astype(np.int32) + (ids[0] != 0)
    ids = ids if ids[0] == 0 else np.concatenate([np.zeros(1, ids.dtype), ids])
    away = edt.edt(compact == 0, black_border=False, parallel=1) if (compact == 0).any() else compact * 0.0
    grown = expand_labels(compact, max_gap / 2)
    found = [_contacts(grown, away, step) for step in NEXT]
    a, b, gap, at = (np.concatenate(column) for column in zip(*found))
    at += np.array(start)
    inside = ((at >= block.start) & (at < block.stop)).all(axis=1) & (gap <= max_gap)
    a, b, gap, at = a[inside], b[inside], gap[inside], at[inside]
    order = np.lexsort((*at.T[::-1], gap, b, a))
    a, b, gap, at = a[order], b[order], gap[order], at[order]
    first = np.flatnonzero(np.diff(a, prepend=-1) | np.diff(b, prepend=-1))
    rows = np.zeros(len(first), POINT)
    for number, (begin, end) in enumerate(zip(first, [*first[1:], len(a)])):
        closest = at[begin:end][gap[begin:end] == gap[begin]]
        middle = closest[np.argmin(((closest - closest.mean(axis=0)) ** 2).sum(axis=1))]
        rows[number] = (ids[a[begin]], ids[b[begin]], *middle, gap[begin], end - begin)
    return rows


def _contacts(
    grown: np.ndarray, away: np.ndarray, step: Triple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where two labels meet along an axis: the lower, the higher, the gap, and (n, 3) places."""
    here = tuple(slice(0, n - d) for n, d in zip(grown.shape, step))
    there = tuple(slice(d, n) for n, d in zip(grown.shape, step))
    one, other = grown[here], grown[there]
    at = np.argwhere((one != other) & (one != 0) & (other != 0))
    where, beyond = tuple(at.T), tuple((at + np.array(step)).T)
    gap = away[where] + away[beyond]
    return (
        np.minimum(grown[where], grown[beyond]),
        np.maximum(grown[where], grown[beyond]),
        gap.astype(np.float32),
        at,
    )
