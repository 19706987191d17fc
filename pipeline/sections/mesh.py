"""Mesh: how a section is bent on its way into the volume; and how many of them are relaxed together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.sparse import block_diag, coo_array, csc_array, csr_array, eye_array
from scipy.sparse.linalg import LinearOperator, cg

from pipeline.geometry import Box
from pipeline.sections.coarse import AS_IT_IS, Affine
from pipeline.settings.sections import Alignment

ROUNDED = 3
"""Decimals that are kept of a pixel: what a processor adds up in another order is beyond them."""

INVERSE_STEPS = 12


@dataclass(frozen=True)
class Lattice:
    """Nodes every `spacing` pixels of a montage, the first at `start`; bilinear between them."""

    start: tuple[int, int]
    shape: tuple[int, int]
    spacing: int

    @classmethod
    def over(cls, box: Box, spacing: int) -> Lattice:
        """Over a box, and a cell beyond it on all sides."""
        y, x = box.start[1:]
        rows, columns = (-(-n // spacing) + 3 for n in box.shape[1:])
        return cls((y - spacing, x - spacing), (rows, columns), spacing)

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def nodes(self) -> np.ndarray:
        """(nodes, 2): where they are."""
        return np.indices(self.shape).reshape(2, -1).T * float(self.spacing) + np.array(self.start)

    def weights(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the four nodes around each point, (n, 4), and how much each counts there."""
        at = np.clip(self._index(points), 0, np.array(self.shape) - 1.001)
        cell = np.floor(at).astype(int)
        ty, tx = (at - cell).T
        first = cell[:, 0] * self.shape[1] + cell[:, 1]
        nodes = np.stack([first, first + 1, first + self.shape[1], first + self.shape[1] + 1], axis=1)
        return nodes, np.stack([(1 - ty) * (1 - tx), (1 - ty) * tx, ty * (1 - tx), ty * tx], axis=1)

    def bends(self) -> csc_array:
        """Second differences along rows, along columns and across, one a row: of an affine map all are 0."""
        number = np.arange(self.size).reshape(self.shape)
        kinds = [
            ((1, -2, 1), (number[:-2], number[1:-1], number[2:])),
            ((1, -2, 1), (number[:, :-2], number[:, 1:-1], number[:, 2:])),
            ((1, -1, -1, 1), (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:])),
        ]
        rows, columns, values, count = [], [], [], 0
        for factors, nodes in kinds:
            n = nodes[0].size
            for factor, which in zip(factors, nodes):
                rows.append(count + np.arange(n))
                columns.append(which.ravel())
                values.append(np.full(n, float(factor)))
            count += n
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        return coo_array(entries, shape=(count, self.size)).tocsc()

    def _index(self, points: np.ndarray) -> np.ndarray:
        return (points - np.array(self.start)) / self.spacing


@dataclass(frozen=True)
class Mesh:
    """The map of a section from its montage into the volume: affine, then moved as the lattice says.

    `first` lays it as most sections lie; the others are of what it comes to then.
    """

    affine: Affine
    lattice: Lattice
    moves: np.ndarray
    """(2, rows, columns): pixels along y and along x, of each node."""
    first: Affine = AS_IT_IS

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, 2) of the montage are in the volume."""
        return self._bent(self.first(points))

    def then(self, other: Affine) -> Mesh:
        """This map and after it an affine one of the volume."""
        moves = np.tensordot(other.matrix, self.moves, axes=1)
        return replace(self, affine=self.affine.then(other), moves=moves)

    def undone(self, points: np.ndarray) -> np.ndarray:
        """The points of the montage, (n, 2), that are at places in the volume."""
        at = self.affine.undone(points)
        inverse = np.linalg.inv(self.affine.matrix)
        for _ in range(INVERSE_STEPS):
            at = at - (self._bent(at) - points) @ inverse.T
        return self.first.undone(at)

    def _bent(self, points: np.ndarray) -> np.ndarray:
        return self.affine(points) + self._moved(points)

    def _moved(self, points: np.ndarray) -> np.ndarray:
        at = self.lattice._index(points).T
        return np.stack([map_coordinates(m, at, order=1, mode="nearest") for m in self.moves], axis=1)


Matches = Mapping[tuple[int, int], tuple[np.ndarray, np.ndarray]]
"""By pair of sections, points (n, 2) of the first and where they are in the second."""


def relax(
    sections: Sequence[int],
    affines: Mapping[int, Affine],
    matches: Matches,
    lattice: Lattice,
    settings: Alignment,
) -> dict[int, Mesh]:
    """Bend sections until points that match come together, all at once.

    Least squares over the nodes of all sections: matching points should be at one place, nodes should not
    bend against those beside them, nor be moved more than they must. On the mean over the sections no node is
    moved: each gives way to all the others, none is the model of the rest, and they cannot shrink together.
    """
    index, n = {z: i for i, z in enumerate(sections)}, lattice.size
    rows, columns, values, wanted, count = [], [], [], [], 0
    for (a, b), (points, to) in matches.items():
        for z, where, sign in ((a, points, 1.0), (b, to, -1.0)):
            nodes, weights = lattice.weights(where)
            rows.append(np.repeat(count + np.arange(len(where)), 4))
            columns.append((index[z] * n + nodes).ravel())
            values.append(sign * weights.ravel())
        wanted.append(affines[b](to) - affines[a](points))
        count += len(points)
    if not count:
        return {z: Mesh(affines[z], lattice, np.zeros((2, *lattice.shape))) for z in sections}
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    matrix = coo_array(entries, shape=(count, n * len(sections))).tocsr()
    normal = (matrix.T @ matrix + block_diag([held(lattice, settings)] * len(sections))).tocsr()
    right = matrix.T @ np.concatenate(wanted)
    solved = np.stack([_solved(normal, right[:, k], len(sections)) for k in (0, 1)])
    moves = np.round(solved, ROUNDED).reshape(2, len(sections), *lattice.shape)
    return {z: Mesh(affines[z], lattice, moves[:, i]) for z, i in index.items()}


def held(lattice: Lattice, settings: Alignment) -> csc_array:
    """(nodes, nodes): what keeps a section as it is, of the moves of its nodes along either axis."""
    bends = lattice.bends()
    return csc_array(settings.stiffness * (bends.T @ bends) + settings.hold * eye_array(lattice.size))


def _solved(normal: csr_array, right: np.ndarray, count: int) -> np.ndarray:
    """The least squares under the condition that each node's moves are 0 on the mean over the sections."""

    def balanced(moves: np.ndarray) -> np.ndarray:
        by_section = moves.reshape(count, -1)
        return (by_section - by_section.mean(axis=0)).ravel()

    operator = LinearOperator(normal.shape, lambda moves: balanced(normal @ balanced(moves)), dtype=float)
    solution, failed = cg(operator, balanced(right), rtol=1e-7, maxiter=5000)
    if failed:
        raise RuntimeError(f"the relaxation of sections did not come to rest in {failed} steps")
    return balanced(solution)
