"""How two sections lie on each other as a whole: an affine map by features that agree on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.sections.overview import Overview

KEYPOINTS = 1500
SIGMA = 1.5
"""Of the Gaussian before features are looked for: those of noise are none."""
TOLERANCE = 4.0
"""Within how many of its pixels features must agree: sections are bent too."""
TRIALS = 3000


class Affine(NamedTuple):
    """The map p -> matrix p + moved of points y, x."""

    matrix: np.ndarray
    moved: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Of points (n, 2)."""
        return points @ self.matrix.T + self.moved

    def then(self, other: Affine) -> Affine:
        """This map and after it another."""
        return Affine(other.matrix @ self.matrix, other.matrix @ self.moved + other.moved)

    def undone(self, points: np.ndarray) -> np.ndarray:
        """What comes to be at points (n, 2)."""
        return (points - self.moved) @ np.linalg.inv(self.matrix).T

    @classmethod
    def fitted(cls, points: np.ndarray, to: np.ndarray) -> Affine:
        """The one that takes `points` (n, 2) nearest to where they should come."""
        known = np.column_stack([points, np.ones(len(points))])
        solution = np.linalg.lstsq(known, to, rcond=None)[0]
        return cls(solution[:2].T, solution[2])


AS_IT_IS = Affine(np.eye(2), np.zeros(2))


def coarse(a: Overview, b: Overview) -> tuple[Affine, int]:
    """The map from the montage of `a` to that of `b`, and how many features agree on it: 0 is none."""
    from skimage.feature import match_descriptors
    from skimage.measure import ransac
    from skimage.transform import AffineTransform

    nothing = AS_IT_IS, 0
    (points_a, described_a), (points_b, described_b) = _features(a), _features(b)
    if not (len(points_a) and len(points_b)):
        return nothing
    pairs = match_descriptors(described_a, described_b, cross_check=True, max_ratio=0.9)
    if len(pairs) < 4:
        return nothing
    here, there = points_a[pairs[:, 0]], points_b[pairs[:, 1]]
    _, inliers = ransac(
        (here, there), AffineTransform, min_samples=3, residual_threshold=TOLERANCE, max_trials=TRIALS, rng=0
    )
    if inliers is None or inliers.sum() < 4:
        return nothing
    affine = Affine.fitted(a.to_montage(here[inliers]), b.to_montage(there[inliers]))
    return affine, int(inliers.sum())


def _features(overview: Overview) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) and their descriptors, (n, 256) bool."""
    from skimage.feature import ORB
    from skimage.filters import gaussian

    extractor = ORB(n_keypoints=KEYPOINTS, fast_threshold=0.04)
    try:
        extractor.detect_and_extract(gaussian(overview.picture / 255, SIGMA))
    except RuntimeError:  # how it says that there are none
        return np.zeros((0, 2)), np.zeros((0, 256), bool)
    return np.asarray(extractor.keypoints), np.asarray(extractor.descriptors)
