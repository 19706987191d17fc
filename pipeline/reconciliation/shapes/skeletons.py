"""Lines along the middle of segments, cell by cell. Where two cells meet, theirs end in the same voxel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.reconciliation.shapes.cells import Cell, CellGrid
from pipeline.reconciliation.shapes.labels import labels_of
from pipeline.reconciliation.shapes.loops import without_loops
from pipeline.reconciliation.shapes.pieces import write_pieces
from pipeline.reconciliation.shapes.stored import voxel_size_nm
from pipeline.reconciliation.shapes.twigs import without_twigs
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.folders import place
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.tracing import TEASAR, kimimaro_or_mend, smoothed
from pipeline.volumes import VoxelSize

VERSION = 2
OTHERWISE = "set reconciliation.skeletons to false"


def trace_cells(run: Run) -> list[Cell]:
    """Each is a task."""
    return CellGrid.of(run).cells(0)


def trace_target(run: Run, cell: Cell, blocks: Sequence[Artifact]) -> Target:
    """The lines in one cell; arguments as for `trace_cell`."""
    grid = CellGrid.of(run)
    name = "z{:06d}_y{:06d}_x{:06d}.h5".format(*grid.start(cell))
    path = place(run.reconciliation_folder / "skeletons", grid.start(cell), name)
    settings = {
        "box": str(grid.box),
        "side": grid.side,
        "place": cell.place,
        "voxel_size_nm": voxel_size_nm(run),
        "teasar": TEASAR,
    }
    return Target(path, Recipe("trace", VERSION, settings, {"segmentation": combined(blocks)}))


def trace_cell(run: Run, cell: Cell, blocks: Sequence[Artifact]) -> Artifact:
    """Trace the segments of one cell, however little of them is in it; `blocks` are those that it is made of.

    The file has for each segment its nodes, int32 voxels z, y, x, their distance from the border in nm, and
    edges. Raises InputError.
    """

    def write(path: Path) -> None:
        reach, size = CellGrid.of(run).reach(cell), voxel_size_nm(run)
        found = kimimaro_or_mend(OTHERWISE).skeletonize(
            labels_of(run, reach),
            teasar_params=TEASAR,
            anisotropy=size,
            dust_threshold=0,
            fix_borders=True,
            progress=False,
            parallel=1,
        )
        ids = sorted(i for i in found if len(found[i].vertices))
        columns: dict[str, list[np.ndarray]] = {"nodes": [], "radii": [], "edges": []}
        for i in ids:
            nodes = np.rint(found[i].vertices.astype(np.float64) / size).astype(np.int32) + reach.start
            columns["nodes"].append(nodes.astype(np.int32).reshape(-1))
            columns["radii"].append(found[i].radii.astype(np.float32))
            columns["edges"].append(found[i].edges.astype(np.uint32).reshape(-1))
        write_pieces(path, ids, columns)

    return make(trace_target(run, cell, blocks), write)


def skeleton(pieces: Sequence[Sequence[np.ndarray]], voxel_size_nm: VoxelSize) -> bytes:
    """One segment's lines from those in its cells, without loops, as Neuroglancer stores a skeleton.

    Pieces are as in the files of `trace_cell`. Parts that nothing joins are joined where they are closer than
    they are thick. Nodes are in nm, and paths smoothed as far as that leaves them within their radius.
    """
    from osteoid import Skeleton  # loads much

    firsts = np.cumsum([0, *(len(radii) for _, radii, _ in pieces)])
    nodes = np.concatenate([nodes for nodes, _, _ in pieces]).reshape(-1, 3)
    edges = np.concatenate([edges + np.uint32(first) for (_, _, edges), first in zip(pieces, firsts)])
    found = Skeleton(
        vertices=((nodes + 0.5) * voxel_size_nm)[:, ::-1].astype(np.float32),
        edges=edges.reshape(-1, 2),
        radii=np.concatenate([radii for _, radii, _ in pieces]),
    )
    if len(edges):
        found = found.consolidate()
        found.edges = without_loops(found.vertices, found.edges, found.radii)
        join = kimimaro_or_mend(OTHERWISE).join_close_components
        found = join(found.consolidate(), restrict_by_radius=True).consolidate()
        found.edges = without_twigs(found.vertices, found.edges, found.radii)
        found = found.consolidate()
        rough = found.vertices.astype(np.float64)
        smooth = smoothed(found, rough, voxel_size_nm)
        is_inside = np.linalg.norm(smooth - rough, axis=1) < found.radii
        found.vertices = np.where(is_inside[:, np.newaxis], smooth, rough).astype(np.float32)
    counts = np.array([len(found.vertices), len(found.edges)], "<u4")
    arrays = (found.vertices.astype("<f4"), found.edges.astype("<u4"), found.radii.astype("<f4"))
    return b"".join(array.tobytes() for array in (counts, *arrays))
