"""The surfaces of segments, cell by cell: those of voxels, and ever simpler ones of eight cells each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.geometry import Box
from pipeline.reconciliation.shapes.cells import Cell, CellGrid
from pipeline.reconciliation.shapes.labels import labels_of
from pipeline.reconciliation.shapes.pieces import as_bytes, read_pieces, write_pieces
from pipeline.reconciliation.shapes.stored import voxel_size_nm
from pipeline.reconciliation.shapes.surface import (
    NOTHING,
    STEPS,
    Lattice,
    Surface,
    encoded,
    goes_on,
    joined,
    simpler,
    surfaces,
)
from pipeline.reconciliation.write import blocks
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.folders import place
from pipeline.results.records import make
from pipeline.run_folder import Run

VERSION = 3


def lattice(run: Run) -> Lattice:
    """Of the run's surfaces."""
    return Lattice.of(CellGrid.of(run).side, voxel_size_nm(run))


def mesh_levels(run: Run) -> int:
    """Levels of detail of the run's surfaces, and of their cells."""
    return min(CellGrid.of(run).levels, lattice(run).levels)


def mesh_cells(run: Run) -> list[Cell]:
    """Those of all levels, the finest first: each is a task."""
    return [cell for level in range(mesh_levels(run)) for cell in CellGrid.of(run).cells(level)]


def blocks_of_cell(run: Run, cell: Cell) -> list[Box]:
    """The blocks of the volume that a cell of level 0 is made of."""
    return blocks(run, meeting=CellGrid.of(run).reach(cell))


def parts_of_cell(run: Run, cell: Cell) -> list[Cell]:
    """The cells that a cell of another level is made of, in their order."""
    return CellGrid.of(run).parts(cell)


def extent(run: Run, level: int) -> np.ndarray:
    """Of a cell of this level, x, y, z, in steps of the lattice."""
    return np.array(lattice(run).cell, np.int64) << level


def mesh_target(run: Run, cell: Cell, before: Sequence[Artifact]) -> Target:
    """The surfaces of one cell; arguments as for `mesh_cell`."""
    grid = CellGrid.of(run)
    start = grid.start(cell)
    name = "z{:06d}_y{:06d}_x{:06d}.h5".format(*start)
    path = place(run.reconciliation_folder / "meshes" / str(cell.level), start, name)
    settings = {
        "box": str(grid.box),
        "side": grid.side,
        "place": cell.place,
        "voxel_size_nm": voxel_size_nm(run),
        "is last": cell.level + 1 == mesh_levels(run),
    }
    what = "finer" if cell.level else "segmentation"
    return Target(path, Recipe("mesh", VERSION, settings, {what: combined(before)}))


def mesh_cell(run: Run, cell: Cell, before: Sequence[Artifact]) -> Artifact:
    """Make the surfaces of the segments of one cell.

    At level 0 `before` are the blocks of the volume that meet the cell's reach, else the artifacts of the
    cells that are its parts, in their order. The file has a piece for each segment: the surface as the viewer
    draws it, and for the next level a simpler one, where it goes on beyond the cell; and which could not be
    made as simple as they should. Raises InputError.
    """

    def write(path: Path) -> None:
        ends, is_last = extent(run, cell.level), cell.level + 1 == mesh_levels(run)
        columns: dict[str, list[np.ndarray]] = {"fragment": [], "goes on": [], "corners": [], "triangles": []}
        found = _coarse(run, cell, before) if cell.level else _fine(run, cell)
        full: list[int] = []
        for i, surface in found.items():
            on = not is_last and goes_on(surface, ends)
            then = simpler(surface, STEPS << cell.level, ends) if on else NOTHING
            columns["fragment"].append(as_bytes(encoded(surface, ends)))
            columns["goes on"].append(np.array([len(then.triangles) > 0]))
            columns["corners"].append(then.corners.astype(np.int32).reshape(-1))
            columns["triangles"].append(then.triangles.astype(np.uint32).reshape(-1))
            if surface.is_full or then.is_full:
                full.append(i)
        write_pieces(path, list(found), columns, full)

    return make(mesh_target(run, cell, before), write)


def _fine(run: Run, cell: Cell) -> dict[int, Surface]:
    return dict(surfaces(labels_of(run, CellGrid.of(run).reach(cell)), lattice(run)))


def _coarse(run: Run, cell: Cell, finer: Sequence[Artifact]) -> dict[int, Surface]:
    """What the cell's parts have of the segments that go on beyond one of them, ids ascending."""
    found: dict[int, list[Surface]] = {}
    side = extent(run, cell.level - 1)
    for part, artifact in zip(CellGrid.of(run).parts(cell), finer):
        by = (np.array(part.place) - 2 * np.array(cell.place))[::-1] * side
        for i, (on, corners, triangles) in read_pieces(
            artifact.path, ("goes on", "corners", "triangles")
        ).items():
            if on[0]:
                surface = Surface(corners.reshape(-1, 3).astype(np.int64), triangles.reshape(-1, 3))
                found.setdefault(i, []).append(surface.moved(by))
    return {i: joined(found[i]) for i in sorted(found)}
