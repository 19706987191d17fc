"""Where every section as a whole lies in the volume: affine maps that fit the points of all pairs at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import legvander2d
from scipy.sparse import block_array, coo_array
from scipy.sparse.linalg import spsolve

from pipeline.geometry import Box
from pipeline.sections.coarse import AS_IT_IS, Affine
from pipeline.sections.mesh import Lattice, Matches, held
from pipeline.settings.sections import Alignment

DEGREE = 4
"""Of the polynomials along y and x that sections are bent by while they are placed."""

TERMS = [i * (DEGREE + 1) + degree - i for degree in range(DEGREE + 1) for i in range(degree, -1, -1)]
"""Which products of Legendre polynomials are of no higher degree: 1, y and x come first."""

AFFINE = 3
"""How many of them are."""


def places(sections: Sequence[int], matches: Matches, box: Box, settings: Alignment) -> dict[int, Affine]:
    """Of each section the map from its montage into the volume.

    By least squares over the points that match, each as much as in the relaxation, and sections may bend, as
    far as polynomials tell, at the price that it has there: what the relaxation would move, turn, shear or
    stretch otherwise is not seen when the drift is taken off. The bending itself is left to it. What no pair
    can tell is decided by the mean over all sections that pairs connect: on the whole they lie as they were
    taken. Holding each of them there instead, however loosely, would shrink them all: smaller sections are
    less far from each other.
    """
    found = dict.fromkeys(sections, AS_IT_IS)
    if matches:
        frame = _Frame.of(matches)
        bending = _price(frame, Lattice.over(box, settings.grid), settings)
        for part in parts(sections, list(matches)):
            if within := {pair: points for pair, points in matches.items() if pair[0] in part}:
                found |= _places(part, within, frame, bending)
    return found


class _Frame(NamedTuple):
    """The middle of what is compared of sections, and half of what that measures."""

    middle: np.ndarray
    half: np.ndarray

    @classmethod
    def of(cls, matches: Matches) -> _Frame:
        compared = [points for pair in matches.values() for points in pair]
        low = np.min([points.min(axis=0) for points in compared], axis=0)
        high = np.max([points.max(axis=0) for points in compared], axis=0)
        return cls((low + high) / 2, np.maximum((high - low) / 2, 1.0))

    def terms(self, points: np.ndarray) -> np.ndarray:
        """(points, terms): over what is compared they have nothing in common with each other."""
        y, x = ((points - self.middle) / self.half).T
        return np.asarray(legvander2d(y, x, [DEGREE, DEGREE])[:, TERMS])

    def affine(self, moved: np.ndarray) -> Affine:
        """The map p -> p + terms(p) @ moved without what bends it; `moved` is (terms, 2)."""
        linear = moved[1:AFFINE].T / self.half
        return Affine(np.eye(2) + linear, moved[0] - linear @ self.middle)


def _price(frame: _Frame, lattice: Lattice, settings: Alignment) -> np.ndarray:
    """(terms, terms): what bending a section costs; an affine map is free."""
    terms = frame.terms(lattice.nodes)
    terms[:, :AFFINE] = 0
    return np.asarray(terms.T @ (held(lattice, settings) @ terms))


def _places(part: Sequence[int], matches: Matches, frame: _Frame, bending: np.ndarray) -> dict[int, Affine]:
    """Of sections that pairs connect. What is solved for is how each differs from the identity."""
    each = len(TERMS)
    own = {z: each * i + np.arange(each) for i, z in enumerate(part)}
    n = each * len(part)
    blocks, right = [(own[z], bending) for z in part], np.zeros((n, 2))
    for (a, b), (points, to) in matches.items():
        # a pair has many points, but is about few numbers along either axis
        differ = np.hstack([frame.terms(points), -frame.terms(to)])
        both = np.concatenate([own[a], own[b]])
        blocks.append((both, differ.T @ differ))
        right[both] += differ.T @ (to - points)
    rows = np.concatenate([np.repeat(at, len(at)) for at, _ in blocks])
    columns = np.concatenate([np.tile(at, len(at)) for at, _ in blocks])
    values = np.concatenate([block.ravel() for _, block in blocks])
    normal = coo_array((values, (rows, columns)), shape=(n, n))
    free = np.flatnonzero(np.arange(n) % each < AFFINE)
    mean = coo_array((np.ones(len(free)), (free % each, free)), shape=(AFFINE, n))
    bordered = block_array([[normal, mean.T], [mean, None]]).tocsc()
    moved = np.asarray(spsolve(bordered, np.vstack([right, np.zeros((AFFINE, 2))])))
    return {z: frame.affine(moved[at]) for z, at in own.items()}


def parts(sections: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The sections in parts between which no pair is known: how one lies on the other is a guess."""
    found = {z: [z] for z in sections}
    for a, b in pairs:
        if found[a] is not found[b]:
            joined = found[a] + found[b]
            found |= dict.fromkeys(joined, joined)
    return sorted({id(part): sorted(part) for part in found.values()}.values())
