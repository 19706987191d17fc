"""Where every section as a whole lies in the volume: affine maps that fit the points of all pairs at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import block_array, coo_array
from scipy.sparse.linalg import spsolve

from pipeline.geometry import Box
from pipeline.sections.coarse import Affine
from pipeline.sections.mesh import Matches


def places(sections: Sequence[int], matches: Matches, box: Box) -> dict[int, Affine]:
    """Of each section the map from its montage into the volume.

    By least squares over the points that match, each as much as in the relaxation: what that would turn,
    shear or stretch otherwise is not seen when the drift is taken off. What no pair can tell is decided by
    the mean over all sections that pairs connect: on the whole they lie as they were taken. Holding each of
    them there instead, however loosely, would shrink them all: smaller sections are less far from each other.
    """
    low, high = np.array(box.start[1:], float), np.array(box.stop[1:], float)
    found: dict[int, Affine] = {}
    for part in parts(sections, list(matches)):
        within = {pair: points for pair, points in matches.items() if pair[0] in part}
        found |= _places(part, within, low, high)
    return {z: found[z] for z in sections}


def _places(part: Sequence[int], matches: Matches, low: np.ndarray, high: np.ndarray) -> dict[int, Affine]:
    """Of sections that pairs connect. What is solved for is how each differs from the identity."""
    if not matches:
        return {z: Affine(np.eye(2), np.zeros(2)) for z in part}
    index, n = {z: i for i, z in enumerate(part)}, 3 * len(part)
    middle, size = (low + high) / 2, float((high - low).max())
    rows, columns, values, right = [], [], [], np.zeros((n, 2))
    for (a, b), (points, to) in matches.items():
        # a pair has many points, but is about six numbers along either axis
        differ = np.hstack([_basis(points, middle, size), -_basis(to, middle, size)])
        own = np.concatenate([3 * index[a] + np.arange(3), 3 * index[b] + np.arange(3)])
        rows.append(np.repeat(own, 6))
        columns.append(np.tile(own, 6))
        values.append((differ.T @ differ).ravel())
        right[own] += differ.T @ (to - points)
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    normal = coo_array(entries, shape=(n, n))
    mean = coo_array((np.ones(n), (np.arange(n) % 3, np.arange(n))), shape=(3, n))
    bordered = block_array([[normal, mean.T], [mean, None]]).tocsc()
    moved = np.asarray(spsolve(bordered, np.vstack([right, np.zeros((3, 2))])))
    return {z: _affine(moved[3 * i : 3 * i + 3], middle, size) for z, i in index.items()}


def parts(sections: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The sections in parts between which no pair is known: how one lies on the other is a guess."""
    found = {z: [z] for z in sections}
    for a, b in pairs:
        if found[a] is not found[b]:
            joined = found[a] + found[b]
            found |= dict.fromkeys(joined, joined)
    return sorted({id(part): sorted(part) for part in found.values()}.values())


def _basis(points: np.ndarray, middle: np.ndarray, size: float) -> np.ndarray:
    return np.column_stack([np.ones(len(points)), (points - middle) / size])


def _affine(moved: np.ndarray, middle: np.ndarray, size: float) -> Affine:
    """The map p -> p + basis(p) @ moved."""
    matrix = np.eye(2) + moved[1:].T / size
    return Affine(matrix, moved[0] - moved[1:].T @ middle / size)
