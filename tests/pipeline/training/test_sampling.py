"""Coordinates are balanced over the classes, fit their patches, and match a brute-force count."""

from __future__ import annotations

import itertools
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import RunConfig, Sampling
from pipeline.errors import InputError, Untrainable
from pipeline.geometry import Box, Triple, triple
from pipeline.run_folder import Run
from pipeline.training.classes import EXCLUDED, partition
from pipeline.training.draws import ReadLabels, draw_coordinates
from pipeline.training.sampling import clear_of, read_coordinates

SEGMENT_COUNTS = st.integers(1, 6)
SEEDS = st.integers(0, 2**32 - 1)
RADII = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


def blobs(shape: Triple, segments: int, seed: int) -> np.ndarray:
    """Labels 0..segments of the nearest of some random points; 0 is unlabelled."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, shape, (segments + 1, 3))
    grid = np.moveaxis(np.indices(shape), 0, -1)
    return np.argmin(((grid[..., None, :] - points) ** 2).sum(-1), axis=-1).astype(np.uint32) * 7


def fraction_by_hand(labels: np.ndarray, voxel: tuple[int, ...], radius: Triple) -> float:
    window = labels[tuple(slice(max(0, v - r), v + r + 1) for v, r in zip(voxel, radius))]
    return float(np.mean(window == labels[voxel]))


def reading(labels: np.ndarray, box: Box) -> ReadLabels:
    """Gives parts of the labels of a box."""
    return lambda part: labels[part.slices(box.start)].copy()


@settings(max_examples=15, deadline=None)
@given(SEGMENT_COUNTS, SEEDS, RADII, st.integers(0, 2))
def test_partition_equals_counting_voxel_by_voxel(
    segments: int, seed: int, radius: Triple, distance: int
) -> None:
    labels = blobs((9, 8, 7), segments, seed)
    sampling = Sampling(
        radius=radius,
        thresholds=(0.11, 0.33, 0.57, 0.83),
        min_segment_voxels=40,
        boundary_distance=distance,
    )
    classes = partition(labels, sampling)
    for voxel in itertools.product(*map(range, labels.shape)):
        label = labels[voxel]
        near_another = fraction_by_hand(labels, voxel, (distance, distance, distance)) < 1
        if label == 0 or near_another or np.count_nonzero(labels == label) < 40:
            assert classes[voxel] == EXCLUDED
        else:
            fraction = fraction_by_hand(labels, voxel, radius)
            assert classes[voxel] == sum(fraction >= t for t in sampling.thresholds)


@settings(max_examples=15, deadline=None)
@given(SEGMENT_COUNTS, SEEDS, st.integers(1, 500))
def test_every_occurring_class_is_drawn_equally_often(segments: int, seed: int, count: int) -> None:
    box = Box.of_shape((20, 18, 22), start=(100, 200, 300))
    radius = (3, 4, 5)
    labels = blobs(box.shape, segments, seed)
    sampling = Sampling(radius=(3, 3, 3), thresholds=(0.3, 0.5, 0.7), min_segment_voxels=1, coordinates=count)
    inner = box.grow((-3, -4, -5))
    classes = partition(labels, sampling)
    occurring = set(classes[inner.slices(box.start)].ravel().tolist()) - {EXCLUDED}
    if not occurring:
        return
    drawn = draw_coordinates(reading(labels, box), box, radius, sampling, seed)
    assert drawn.shape == (count, 3)
    assert drawn.dtype == np.int32
    assert all(inner.contains(Box.of_shape((1, 1, 1), triple(row))) for row in drawn.tolist())
    counts = np.bincount(classes[tuple((drawn - box.start).T)], minlength=256)
    shares = [counts[c] for c in occurring]
    assert sum(shares) == count
    assert max(shares) - min(shares) <= 1


def drawn_at_once(labels: np.ndarray, box: Box, radius: Triple, sampling: Sampling, seed: int) -> np.ndarray:
    """Coordinates as they are defined: every class's voxels in order, some of them drawn, all mixed."""
    inner = box.grow((-radius[0], -radius[1], -radius[2]))
    classes = partition(labels, sampling)[inner.slices(box.start)]
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    occurring = [c for c in np.unique(classes) if c != EXCLUDED]
    drawn = []
    for c, share in zip(occurring, np.array_split(np.empty(sampling.coordinates), len(occurring))):
        voxels = np.flatnonzero(classes == c)
        whole, rest = divmod(len(share), len(voxels))
        drawn.append(np.concatenate([np.tile(voxels, whole), rng.choice(voxels, rest, replace=False)]))
    flat = rng.permutation(np.concatenate(drawn))
    return (np.stack(np.unravel_index(flat, inner.shape), axis=1) + inner.start).astype(np.int32)


@settings(max_examples=15, deadline=None)
@given(
    SEGMENT_COUNTS,
    SEEDS,
    st.integers(1, 500),
    st.sampled_from([2**27, 44 * 22 * 18, 12**3]),
    st.integers(0, 2),
)
def test_blocks_give_what_the_whole_does(
    segments: int, seed: int, count: int, most_voxels: int, distance: int
) -> None:
    box = Box.of_shape((60, 18, 22), start=(100, 200, 300))
    radius = (3, 4, 5)
    labels = blobs(box.shape, segments, seed)
    sampling = Sampling(
        radius=(3, 2, 1),
        thresholds=(0.3, 0.5, 0.7),
        min_segment_voxels=2000,
        boundary_distance=distance,
        coordinates=count,
    )
    largest = [0]

    def read(part: Box) -> np.ndarray:
        largest.append(part.size)
        return labels[part.slices(box.start)].copy()

    if (partition(labels, sampling)[3:-3, 4:-4, 5:-5] == EXCLUDED).all():
        return
    whole = drawn_at_once(labels, box, radius, sampling, seed)
    drawn = draw_coordinates(read, box, radius, sampling, seed, most_voxels=most_voxels)
    if most_voxels > 12**3:
        np.testing.assert_array_equal(drawn, whole)
    else:  # cubes, in which voxels have another order: as many of each class
        classes = partition(labels, sampling)
        ours, theirs = (classes[tuple((some - box.start).T)] for some in (drawn, whole))
        np.testing.assert_array_equal(np.bincount(ours), np.bincount(theirs))
        assert max(largest) <= most_voxels
    if most_voxels == 44 * 22 * 18:
        assert max(largest) <= most_voxels


def test_a_small_class_repeats_its_voxels_evenly() -> None:
    labels = np.full((9, 9, 9), 5, np.uint32)
    sampling = Sampling(radius=(1, 1, 1), thresholds=(0.5,), min_segment_voxels=1, coordinates=27 * 4 + 5)
    box = Box.of_shape((9, 9, 9))
    drawn = draw_coordinates(reading(labels, box), box, (3, 3, 3), sampling, seed=3)
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 27
    assert set(counts.tolist()) == {4, 5}


def test_the_seed_alone_decides_what_is_drawn() -> None:
    box = Box.of_shape((20, 20, 20))
    labels = blobs(box.shape, 5, 1)
    sampling = Sampling(radius=(3, 3, 3), min_segment_voxels=1, coordinates=200)
    first, again, other = (
        draw_coordinates(reading(labels, box), box, (2, 2, 2), sampling, seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_box_smaller_than_a_patch_is_refused() -> None:
    box = Box.of_shape((20, 20, 20))
    with pytest.raises(Untrainable, match=r"0:20,0:20,0:20.*\[21, 5, 5\]"):
        draw_coordinates(reading(np.ones(box.shape, np.uint32), box), box, (10, 2, 2), Sampling(), seed=1)


def test_segments_that_are_all_too_small_are_refused() -> None:
    box = Box.of_shape((20, 20, 20))
    with pytest.raises(Untrainable, match="min_segment_voxels = 10000"):
        draw_coordinates(reading(np.ones(box.shape, np.uint32), box), box, (2, 2, 2), Sampling(), seed=1)


@given(st.data())
def test_a_patch_is_clear_where_none_of_its_voxels_is_in_a_gap(data: st.DataObject) -> None:
    numbers = st.integers(0, 11)
    radius = triple([data.draw(st.integers(0, 3)) for _ in range(3)])
    coordinates = np.array(data.draw(st.lists(st.tuples(*[numbers] * 3), min_size=1, max_size=20)), np.int32)
    corners = data.draw(st.lists(st.tuples(*[numbers] * 6), max_size=3))
    gaps = [Box.of_shape((1 + c[3] // 3, 1 + c[4] // 3, 1 + c[5] // 3), triple(c[:3])) for c in corners]
    missing = np.zeros((22, 22, 22), bool)  # with a margin of 3 around
    for gap in gaps:
        missing[gap.slices((-3, -3, -3))] = True
    clear = [
        not missing[Box.of_shape((1, 1, 1), triple(row)).grow(radius).slices((-3, -3, -3))].any()
        for row in coordinates.tolist()
    ]
    assert clear_of(gaps, coordinates, radius).tolist() == clear


def test_coordinates_whose_patch_touches_missing_image_are_left_out_and_counted(tmp_path: Path) -> None:
    def run_on(image: str, ranks: int) -> Run:
        document = {
            "data": {"image": f"{tmp_path}/v.h5:{image}", "labels": f"{tmp_path}/v.h5:whole"},
            "network": {"fov": [5, 5, 5], "deltas": [2, 2, 2]},
            "training": {"box": "0:12,0:12,0:12", "ranks": ranks, "moves_reach": 1},
        }
        return Run(tmp_path, RunConfig.model_validate(document))

    coordinates = np.array([[6, 6, 7], [5, 5, 5], [6, 6, 6], [6, 6, 7]], np.int32)
    path = tmp_path / "c.npy"
    np.save(path, coordinates)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["whole"] = np.ones((12, 12, 12), np.uint8)
        holes = file.create_dataset("holes", (12, 12, 12), np.uint8, chunks=(12, 12, 3))
        holes[..., 3:] = 1
    kept, left_out = read_coordinates(run_on("whole", 2), path)
    assert left_out == 0
    np.testing.assert_array_equal(kept, np.insert(coordinates, 0, 0, axis=1))
    kept, left_out = read_coordinates(run_on("holes", 2), path)  # a patch reaches 4 voxels: from x 7 to 3
    assert left_out == 2
    np.testing.assert_array_equal(kept[:, 1:], coordinates[[0, 3]])
    with pytest.raises(InputError, match=r"around 2 of 4 coordinates .* fewer than training\.ranks, 3"):
        read_coordinates(run_on("holes", 3), path)
