"""Where every section as a whole lies in the volume: affine maps that fit all pairs of sections at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import block_array, coo_array
from scipy.sparse.linalg import spsolve

from pipeline.geometry import Box
from pipeline.sections.coarse import Affine

Pairs = Mapping[tuple[int, int], Affine]
"""By two sections, what maps points of the first one's montage to the second's."""


def places(sections: Sequence[int], pairs: Pairs, box: Box) -> dict[int, Affine]:
    """Of each section the map from its montage into the volume.

    By least squares over the corners and the middle of the box. What no pair can tell is decided by the mean
    over all sections that pairs connect: on the whole they lie as they were taken. Holding each of them there
    instead, however loosely, would shrink them all: smaller sections are less far from each other.
    """
    low, high = np.array(box.start[1:], float), np.array(box.stop[1:], float)
    found: dict[int, Affine] = {}
    for part in parts(sections, list(pairs)):
        within = {pair: affine for pair, affine in pairs.items() if pair[0] in part}
        found |= _places(part, within, low, high)
    return {z: found[z] for z in sections}


def _places(part: Sequence[int], pairs: Pairs, low: np.ndarray, high: np.ndarray) -> dict[int, Affine]:
    """Of sections that pairs connect. What is solved for is how each differs from the identity."""
    index, n = {z: i for i, z in enumerate(part)}, 3 * len(part)
    middle, size = (low + high) / 2, float((high - low).max())
    corners = np.array([low, high, (low[0], high[1]), (high[0], low[1]), middle])
    rows, columns, values, wanted = [], [], [], []
    for number, ((a, b), affine) in enumerate(pairs.items()):
        there = affine(corners)
        for z, points, sign in ((a, corners, 1.0), (b, there, -1.0)):
            rows.append(np.repeat(number * len(corners) + np.arange(len(corners)), 3))
            columns.append(np.tile(3 * index[z] + np.arange(3), len(corners)))
            values.append(sign * _basis(points, middle, size).ravel())
        wanted.append(there - corners)
    if not pairs:
        return {z: Affine(np.eye(2), np.zeros(2)) for z in part}
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    matrix = coo_array(entries, shape=(len(pairs) * len(corners), n)).tocsc()
    right = matrix.T @ np.concatenate(wanted)
    mean = coo_array((np.ones(n), (np.arange(n) % 3, np.arange(n))), shape=(3, n))
    bordered = block_array([[matrix.T @ matrix, mean.T], [mean, None]]).tocsc()
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
