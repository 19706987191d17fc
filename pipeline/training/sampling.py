"""Coordinates to centre training examples on, balanced over how much the object fills its surroundings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import fastremap
import numpy as np
from scipy import ndimage

from pipeline.config import Sampling
from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, Slices, Triple, triple
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import open_image, open_labels

VERSION = 1
EXCLUDED = 255
"""Class of voxels that no example may be centred on."""


def coordinates_target(run: Run) -> Target:
    """The run's file of training coordinates."""
    config = run.config
    settings = {
        "seed": config.seed,
        "patch_radius": patch_radius(config.network, config.training.moves_reach),
        "training": {
            "box": str(config.training.box),
            "sampling": config.training.sampling.model_dump(mode="json"),
        },
    }
    recipe = Recipe("sample", VERSION, settings, {"labels": run.identities["labels"]})
    return Target(run.coordinates_file, recipe)


def sample_coordinates(run: Run) -> Artifact:
    """Draw `training.sampling.coordinates` voxels, every occurring class equally often.

    The file is an (N, 3) int32 `.npy` of z, y, x in the image's voxels, in random order, and
    depends on the seed, the labels, the boxes and the sampling settings alone. Raises InputError
    when no labelled voxel of a large enough segment lies where a whole patch fits.
    """
    config = run.config
    box = config.training.box
    assert box is not None, "a resolved configuration has a training box"

    def write(path: Path) -> None:
        labels = open_labels(run).read(box)
        radius = patch_radius(config.network, config.training.moves_reach)
        coordinates = draw_coordinates(labels, box, radius, config.training.sampling, config.seed)
        with open(path, "wb") as file:
            np.save(file, coordinates)

    return make(coordinates_target(run), write)


def draw_coordinates(
    labels: np.ndarray, box: Box, radius: Triple, sampling: Sampling, seed: int
) -> np.ndarray:
    """Return (N, 3) int32 coordinates from the (z, y, x) `labels` of `box`, as `sample_coordinates` says.

    A class with fewer voxels than its share gives each of them as evenly often as possible.
    """
    inner = box.grow((-radius[0], -radius[1], -radius[2]))
    if inner.is_empty:
        raise InputError(
            f"training.box {box} has no room for a patch of {[2 * r + 1 for r in radius]} voxels "
            "(network.fov plus twice training.moves_reach times network.deltas)"
        )
    classes = partition(labels, sampling)[inner.slices(box.start)]
    rng = np.random.default_rng(np.random.SeedSequence([seed, VERSION]))
    occurring = [c for c in np.unique(classes) if c != EXCLUDED]
    if not occurring:
        raise InputError(
            f"training.box {box}: no voxel at least {list(radius)} inside it belongs to a segment of "
            f"training.sampling.min_segment_voxels = {sampling.min_segment_voxels} or more voxels"
        )
    shares = [len(part) for part in np.array_split(np.empty(sampling.coordinates), len(occurring))]
    drawn = [_draw(np.flatnonzero(classes == c), n, rng) for c, n in zip(occurring, shares)]
    flat = rng.permutation(np.concatenate(drawn))
    return (np.stack(np.unravel_index(flat, inner.shape), axis=1) + inner.start).astype(np.int32)


def read_coordinates(run: Run, path: Path) -> tuple[np.ndarray, int]:
    """The coordinates in the file of `sample_coordinates` to train on, and how many are left out.

    Left out are those whose patch touches what is missing of the image: a network would learn from black.
    Raises InputError where fewer than one a rank stay.
    """
    config, box = run.config, run.config.training.box
    assert box is not None, "a resolved configuration has a training box"
    coordinates, ranks = np.load(path), config.training.ranks
    radius = patch_radius(config.network, config.training.moves_reach)
    clear = clear_of(open_image(run).missing(box), coordinates, radius)
    kept = np.count_nonzero(clear)
    if kept < min(ranks, len(clear)):
        raise InputError(
            f"training.box {box}: around {len(clear) - kept:,} of {len(clear):,} coordinates the image is "
            f"missing in part, which leaves fewer than training.ranks, {ranks}; complete the image, or "
            "choose another box"
        )
    return coordinates[clear], len(clear) - kept


def clear_of(gaps: Sequence[Box], coordinates: np.ndarray, radius: Triple) -> np.ndarray:
    """Of each of some coordinates, (N, 3), whether the patch of `radius` around it touches none of `gaps`."""
    clear = np.ones(len(coordinates), bool)
    for gap in gaps:
        near = gap.grow(radius)
        clear &= ~((coordinates >= near.start) & (coordinates < near.stop)).all(axis=1)
    return clear


def partition(labels: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Class of every voxel of the (z, y, x) `labels`, uint8: where its fraction lies among `thresholds`.

    The fraction is that of same-label voxels in the box of `radius` around the voxel, as far as
    that box lies in the volume. Voxels of label 0, of segments under `min_segment_voxels` and closer
    than `boundary_distance` to another label are EXCLUDED.
    """
    compact, _ = fastremap.renumber(labels, preserve_zero=True)
    sizes = np.bincount(compact.ravel())
    classes = np.full(labels.shape, EXCLUDED, np.uint8)
    window = _window_sizes(labels.shape, sampling.radius)
    near = triple([sampling.boundary_distance] * 3)
    near_window = _window_sizes(labels.shape, near)
    for segment, where in _segments(compact):
        if sizes[segment] < sampling.min_segment_voxels:
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


def _draw(candidates: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    whole, rest = divmod(count, len(candidates))
    return np.concatenate([np.tile(candidates, whole), rng.choice(candidates, rest, replace=False)])
