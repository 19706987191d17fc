"""Where in the volume sections do not fit each other, in cells large enough to be looked at."""

from __future__ import annotations

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
    asked, known = ({z: np.zeros(shape, int) for z in stack.sections} for _ in range(2))
    worst_at, meshes, places = {}, dict[int, Mesh](), read_places(placed)
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
        of_points = _cells(here, stack.box, side, shape)
        of_asked = _cells(meshes[laid.a](laid.flow.asked), stack.box, side, shape)
        cells = _medians(apart, of_points, shape)
        for z in (laid.a, laid.b):
            of_sections[z] = np.fmax(of_sections[z], cells)
            np.add.at(asked[z].reshape(-1), of_asked, 1)
            np.add.at(known[z].reshape(-1), of_points, 1)
        row, column = np.unravel_index(int(np.nan_to_num(cells, nan=-1).argmax()), shape)
        worst_at[laid.a, laid.b] = (
            stack.box.start[1] + int(row) * side + side // 2,
            stack.box.start[2] + int(column) * side + side // 2,
        )
    return ResidualMap(side, of_sections, worst_at, _astray(stack.sections, asked, known))


def _cells(points: np.ndarray, box: Box, side: int, shape: tuple[int, int]) -> np.ndarray:
    """The numbers of the cells in which points of the volume, (n, 2), lie."""
    at = np.floor((points - box.start[1:]) / side).astype(int).clip(0, np.array(shape) - 1)
    return np.asarray(at[:, 0] * shape[1] + at[:, 1])


def _medians(apart: np.ndarray, numbers: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    cells = np.full(shape, np.nan)
    for number in np.unique(numbers):
        cells.flat[number] = np.median(apart[numbers == number])
    return cells


def _astray(
    sections: Sequence[int], asked: Mapping[int, np.ndarray], known: Mapping[int, np.ndarray]
) -> dict[int, float]:
    """Where there is nothing to see in any section, as in resin, nothing went astray."""
    found = {}
    for i, z in enumerate(sections):
        beside = [*sections[max(0, i - 1) : i], *sections[i + 1 : i + 2]]
        is_seen = np.any([(asked[n] > 0) & (2 * known[n] >= asked[n]) for n in beside], axis=0)
        is_lost = is_seen & (4 * known[z] < asked[z])
        share = float(is_lost.sum() / max(1, (asked[z] > 0).sum()))
        if share >= ASTRAY:
            found[z] = round(share, DIGITS)
    return found
