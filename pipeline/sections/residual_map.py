"""Where in the volume sections do not fit each other, in cells large enough to be looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.sections.group import read_mesh, read_places
from pipeline.sections.mesh import Mesh
from pipeline.sections.pair import read_pair
from pipeline.sections.stack import Stack

CELLS = 6
"""Along the longer side of the volume."""

ASTRAY = 0.1
"""Share of a section's cells from which on it is told that they are found in no other section."""

FEW = 2
"""A cell of a small section that has no more points is found or not by chance."""

DIGITS = 3
"""Of a residual, in pixels."""


class ResidualMap(NamedTuple):
    """Residuals of the alignment by place."""

    side: int
    """Of a cell, in pixels."""
    of_sections: dict[int, np.ndarray]
    """(rows, columns) float64: the median, in pixels, of the points of a cell, of the pair of sections where
    it is largest; NaN where there are no points."""
    worst_at: dict[tuple[int, int], tuple[int, int]]
    """Of each pair the middle, y, x in the volume, of the cell whose median is largest."""
    astray: dict[int, float]
    """By section, from `ASTRAY` on, the share of its cells of which most points are found in no other, though
    those of the sections beside it are: what broke off may lie there."""

    def told(self) -> dict[str, Any]:
        """As it is written down; without points None."""
        cells = {
            z: [[None if np.isnan(cell) else round(cell, DIGITS) for cell in row] for row in found.tolist()]
            for z, found in self.of_sections.items()
        }
        return {"side_px": self.side, "of_sections": cells}


def residual_map(
    stack: Stack, pairs: Sequence[Artifact], placed: Artifact, groups: Mapping[int, Artifact]
) -> ResidualMap:
    """By cells, how far from each other points that match come to lie; arguments as for `judge`."""
    side = -(-max(stack.box.shape[1:]) // CELLS)
    shape = (-(-stack.box.shape[1] // side), -(-stack.box.shape[2] // side))
    of_sections = {z: np.full(shape, np.nan) for z in stack.sections}
    worst_at, meshes, places = {}, dict[int, Mesh](), read_places(placed)
    found_of: dict[tuple[int, int], np.ndarray] = {}
    for artifact in pairs:
        laid = read_pair(artifact)
        if laid.is_refused:
            continue
        meshes = {z: mesh for z, mesh in meshes.items() if z >= laid.a}  # pairs come in this order
        for z in (laid.a, laid.b):
            if z not in meshes:
                meshes[z] = read_mesh(stack, z, places[z], groups)
        here = meshes[laid.a](laid.flow.points)
        apart = np.linalg.norm(here - meshes[laid.b](laid.flow.to), axis=1)
        looked_for = meshes[laid.a](laid.flow.asked)
        numbers = [_cells(points, stack.box, side, shape) for points in (here, looked_for)]
        counts = [np.bincount(each, minlength=math.prod(shape)) for each in numbers]
        found_of[laid.a, laid.b] = np.stack(counts)
        cells = _medians(apart, numbers[0], shape)
        for z in (laid.a, laid.b):
            of_sections[z] = np.fmax(of_sections[z], cells)
        row, column = np.unravel_index(int(np.nan_to_num(cells, nan=-1).argmax()), shape)
        worst_at[laid.a, laid.b] = (
            stack.box.start[1] + int(row) * side + side // 2,
            stack.box.start[2] + int(column) * side + side // 2,
        )
    return ResidualMap(side, of_sections, worst_at, _astray(stack.sections, found_of))


def _cells(points: np.ndarray, box: Box, side: int, shape: tuple[int, int]) -> np.ndarray:
    """The numbers of the cells in which points of the volume, (n, 2), lie."""
    at = np.floor((points - box.start[1:]) / side).astype(int).clip(0, np.array(shape) - 1)
    return np.asarray(at[:, 0] * shape[1] + at[:, 1])


def _medians(apart: np.ndarray, numbers: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    cells = np.full(shape, np.nan)
    for number in np.unique(numbers):
        cells.flat[number] = np.median(apart[numbers == number])
    return cells


def _astray(sections: Sequence[int], found_of: Mapping[tuple[int, int], np.ndarray]) -> dict[int, float]:
    """`found_of` has of each pair, (2, cells), how many points were found and how many looked for.

    Where there is nothing to see in any section, as in resin, nothing went astray: of the sections beside one
    the pairs with others count.
    """
    pairs_of: dict[int, list[tuple[int, int]]] = {z: [] for z in sections}
    for a, b in found_of:
        pairs_of[a].append((a, b))
        pairs_of[b].append((a, b))

    def counts(z: int, but: int | None = None) -> np.ndarray:
        of_pairs = [found_of[pair] for pair in pairs_of[z] if but not in pair]
        return np.sum(of_pairs, axis=0) if of_pairs else np.zeros((2, 1), int)

    astray = {}
    for i, z in enumerate(sections):
        known, asked = counts(z)
        is_seen = np.zeros(1, bool)
        for beside in (*sections[max(0, i - 1) : i], *sections[i + 1 : i + 2]):
            there, of = counts(beside, but=z)
            is_seen = is_seen | ((of > 0) & (2 * there >= of))
        is_told = is_seen & (asked > FEW * len(pairs_of[z])) & (4 * known < asked)
        share = float(is_told.sum() / max(1, (asked > 0).sum()))
        if share >= ASTRAY:
            astray[z] = round(share, DIGITS)
    return astray
