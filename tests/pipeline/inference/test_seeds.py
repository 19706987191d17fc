"""Seeds: where flood filling starts."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.spatial import cKDTree

from pipeline.inference.seeds import find_seeds


def test_seeds_are_the_local_maxima_of_the_distance_to_adaptive_edges() -> None:
    image = textured_image(shape=(22, 24, 26), seed=3)
    assert find_seeds(image) == seeds_by_definition(image)
    assert len(find_seeds(image)) > 10


def test_seeds_come_in_ascending_order_and_more_than_three_voxels_apart() -> None:
    seeds = find_seeds(textured_image(shape=(32, 40, 36), seed=1))
    assert seeds == sorted(seeds)
    distances = [max(abs(p - q) for p, q in zip(a, b)) for a, b in itertools.combinations(seeds, 2)]
    assert min(distances) > 3


def test_the_scale_of_the_grey_values_does_not_matter() -> None:
    image = textured_image(shape=(24, 24, 24), seed=5)
    assert find_seeds(image) == find_seeds(image.astype(np.float64) * 4)


def test_a_blank_image_has_no_seeds() -> None:
    assert find_seeds(np.full((20, 20, 20), 7, np.uint8)) == []


def textured_image(shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """Blobs of a few voxels on noise, uint8."""
    noise = np.random.default_rng(seed).random(shape)
    for axis in range(3):
        noise = np.mean([np.roll(noise, shift, axis) for shift in range(-3, 4)], axis=0)
    return np.interp(noise, (noise.min(), noise.max()), (0, 255)).astype(np.uint8)


def seeds_by_definition(image: np.ndarray) -> list[tuple[int, ...]]:
    """The policy written out with explicit sums, a search tree and loops."""
    image = image.astype(np.float64)
    gradient = np.zeros(image.shape)
    for axis in range(3):
        response = image
        for other in range(3):
            response = weighted_sum(response, [-1, 0, 1] if other == axis else [1, 2, 1], other)
        gradient += response**2
    gradient = np.sqrt(gradient)
    sigma = 49 / 6
    reach = int(4 * sigma + 0.5)
    gaussian = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    mean = gradient
    for axis in range(3):
        mean = weighted_sum(mean, list(gaussian / gaussian.sum()), axis)
    edges = np.argwhere(gradient > mean)
    voxels = np.argwhere(np.ones(image.shape, bool))
    distance = cKDTree(edges).query(voxels)[0].reshape(image.shape)
    np.random.seed(42)
    distance = distance + np.random.random(image.shape) * 1e-4
    found = []
    for centre in itertools.product(*(range(3, n - 3) for n in image.shape)):
        window = distance[tuple(slice(c - 3, c + 4) for c in centre)]
        if distance[centre] == window.max():
            found.append(centre)
    return found


def weighted_sum(image: np.ndarray, weights: list[float], axis: int) -> np.ndarray:
    """Correlation along one axis; beyond the faces the image is mirrored, the edge voxel repeated."""
    reach = len(weights) // 2
    indices = np.arange(-reach, image.shape[axis] + reach)
    period = 2 * image.shape[axis]
    indices = indices % period
    indices = np.where(indices >= image.shape[axis], period - 1 - indices, indices)
    padded = image.take(indices, axis)
    return sum(w * padded.take(np.arange(i, i + image.shape[axis]), axis) for i, w in enumerate(weights))  # type: ignore[return-value]
