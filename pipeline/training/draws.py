"""How coordinates are drawn by labels: evenly of all classes, slab by slab or cube by cube of a large box."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import fastremap
import numpy as np

from pipeline.config import Sampling
from pipeline.errors import Untrainable
from pipeline.geometry import Box, Triple, triple
from pipeline.training.classes import EXCLUDED, partition

VERSION = 1

MOST_VOXELS = 2**27
"""That are looked at at a time, with those around them; each takes about 30 bytes."""

LEAST_SECTIONS = 16
"""A volume is cut into slabs of as many whole sections or more, or, where that is too much, into cubes."""

ReadLabels = Callable[[Box], np.ndarray]


def draw_coordinates(
    read: ReadLabels,
    box: Box,
    radius: Triple,
    sampling: Sampling,
    seed: int,
    volume: int = 0,
    most_voxels: int = MOST_VOXELS,
) -> np.ndarray:
    """Return (N, 3) int32 coordinates by the labels of `box`, as `sample_coordinates` says.

    `read` gives the (z, y, x) ids of a part of `box`; at most `most_voxels` are asked for at a time, and
    slabs of whole sections give the same coordinates as the whole. A class with fewer voxels than its share
    gives each of them as evenly often as possible.
    """
    inner = box.grow((-radius[0], -radius[1], -radius[2]))
    if inner.is_empty:
        raise Untrainable(
            f"training.box {box} has no room for a patch of {[2 * r + 1 for r in radius]} voxels "
            "(network.fov plus twice training.moves_reach times network.deltas)"
        )
    halo = _halo(sampling)
    blocks = _blocks(box, inner, halo, most_voxels)
    large = None if blocks == [inner] else _large_segments(read, box, sampling, most_voxels)

    @lru_cache(maxsize=1)
    def classes(index: int) -> np.ndarray:
        """Of the voxels of a block."""
        around = box if large is None else blocks[index].grow(halo) & box
        return partition(read(around), sampling, large)[blocks[index].slices(around.start)]

    counts = np.stack([np.bincount(classes(i).ravel(), minlength=EXCLUDED + 1) for i in range(len(blocks))])
    occurring = np.flatnonzero(counts[:, :EXCLUDED].any(axis=0))
    if not len(occurring):
        raise Untrainable(
            f"training.box {box}: no voxel at least {list(radius)} inside it belongs to a segment of "
            f"training.sampling.min_segment_voxels = {sampling.min_segment_voxels} or more voxels and is "
            f"further than training.sampling.boundary_distance = {sampling.boundary_distance} from all else"
        )
    rng = np.random.default_rng(
        np.random.SeedSequence([seed, VERSION, volume] if volume else [seed, VERSION])
    )
    shares = [len(part) for part in np.array_split(np.empty(sampling.coordinates), len(occurring))]
    drawn = [_draw(int(counts[:, c].sum()), n, rng) for c, n in zip(occurring, shares)]
    order = rng.permutation(sampling.coordinates)
    return _find(drawn, occurring, counts, blocks, classes)[order]


def _find(
    drawn: list[np.ndarray],
    occurring: np.ndarray,
    counts: np.ndarray,
    blocks: list[Box],
    classes: Callable[[int], np.ndarray],
) -> np.ndarray:
    """The coordinates of the voxels that were drawn of each class, by their places among all of it."""
    found = [np.empty((len(places), 3), np.int32) for places in drawn]
    ends = np.cumsum(counts, axis=0)
    for index, block in enumerate(blocks):
        for rows, places, c in zip(found, drawn, occurring):
            first = ends[index, c] - counts[index, c]
            here = (places >= first) & (places < ends[index, c])
            if here.any():
                flat = np.flatnonzero(classes(index) == c)[places[here] - first]
                rows[here] = np.stack(np.unravel_index(flat, block.shape), axis=1) + block.start
    return np.concatenate(found)


def _blocks(box: Box, inner: Box, halo: Triple, most_voxels: int) -> list[Box]:
    """`inner` in parts, in order: as a whole, in slabs of whole sections, or in cubes."""
    if box.size <= most_voxels:
        return [inner]
    sections = most_voxels // (box.shape[1] * box.shape[2]) - 2 * halo[0]
    if sections >= LEAST_SECTIONS:
        return inner.parts((sections, *inner.shape[1:]))
    edge = int(most_voxels ** (1 / 3))
    return inner.parts(triple([max(1, edge - 2 * h) for h in halo]))


def _halo(sampling: Sampling) -> Triple:
    """How far around a voxel lies what decides its class."""
    z, y, x = (max(r, sampling.boundary_distance) for r in sampling.radius)
    return z, y, x


def _large_segments(read: ReadLabels, box: Box, sampling: Sampling, most_voxels: int) -> np.ndarray:
    """The ids of segments of `min_segment_voxels` or more in `box`, 0 left out."""
    parts = _blocks(box, box, (0, 0, 0), most_voxels)
    found = [fastremap.unique(read(part), return_counts=True) for part in parts]
    ids, inverse = np.unique(np.concatenate([ids for ids, _ in found]), return_inverse=True)
    sizes = np.bincount(inverse, weights=np.concatenate([counts for _, counts in found]))
    return ids[(sizes >= sampling.min_segment_voxels) & (ids != 0)]


def _draw(candidates: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many of the numbers below `candidates`, each as often as all others, or once more."""
    whole, rest = divmod(count, candidates)
    return np.concatenate(
        [
            np.tile(np.arange(candidates), whole) if whole else np.empty(0, np.int64),
            rng.choice(candidates, rest, replace=False),
        ]
    )
