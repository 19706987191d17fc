"""Turn segmented tiles into one volume."""

from __future__ import annotations

from parsl import python_app

from pipeline.geometry import Box, Tile
from pipeline.reconciliation.levels import Level
from pipeline.reconciliation.shapes.cells import Cell
from pipeline.reconciliation.shapes.stored import Kind
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


@python_app(executors=["light"])
def find_evidence(run: Run, tile: Tile, tiles: dict[int, Artifact]) -> Artifact:
    """Compare a tile with its neighbours of higher index."""
    from pipeline import reconciliation

    return reconciliation.find_evidence(run, tile, tiles)


@python_app(executors=["light"])
def gather(run: Run, group: tuple[int, ...], evidence: list[Artifact]) -> Artifact:
    """Join what tiles near each other have in common."""
    from pipeline import reconciliation

    return reconciliation.gather(run, group, evidence)


@python_app(executors=["light"])
def merge(run: Run, groups: list[Artifact]) -> Artifact:
    """Give every segment of every tile its global id."""
    from pipeline import reconciliation

    return reconciliation.merge(run, groups)


@python_app(executors=["light"])
def correct(run: Run, id_table: Artifact, groups: list[Artifact], tiles: dict[int, Artifact]) -> Artifact:
    """Join and cut segments as a person says."""
    from pipeline import reconciliation

    return reconciliation.correct(run, id_table, groups, tiles)


@python_app(executors=["head"])
def list_corrections(run: Run, corrected: Artifact) -> Artifact:
    """Say what became of each correction."""
    from pipeline import reconciliation

    return reconciliation.list_corrections(run, corrected)


@python_app(executors=["light"])
def list_conflicts(run: Run, id_table: Artifact) -> Artifact:
    """Say where tiles contradict each other."""
    from pipeline import reconciliation

    return reconciliation.list_conflicts(run, id_table)


@python_app(executors=["head"])
def create_volume(run: Run, after: list[Artifact]) -> Artifact:
    """Describe the precomputed volume that the blocks are written to."""
    from pipeline import reconciliation

    return reconciliation.create_volume(run)


@python_app(executors=["light"])
def write_block(
    run: Run, level: Level, block: Box, id_table: Artifact, tiles: dict[int, Artifact], after: list[Artifact]
) -> Artifact:
    """Write one block of the precomputed volume."""
    from pipeline import reconciliation

    return reconciliation.write_block(run, level, block, id_table, tiles)


@python_app(executors=["light"])
def measure_block(run: Run, block: Box, written: Artifact) -> Artifact:
    """Measure the segments of one block."""
    from pipeline import reconciliation

    return reconciliation.measure_block(run, block, written)


@python_app(executors=["light"])
def list_properties(run: Run, measured: list[Artifact]) -> Artifact:
    """List how large each segment is and where it lies."""
    from pipeline import reconciliation

    return reconciliation.list_properties(run, measured)


@python_app(executors=["light"])
def downsample_block(run: Run, before: Level, level: Level, block: Box, finer: list[Artifact]) -> Artifact:
    """Write one block of a coarser level of the volume."""
    from pipeline import reconciliation

    return reconciliation.downsample_block(run, before, level, block, finer)


@python_app(executors=["light"])
def mesh_cell(run: Run, cell: Cell, before: list[Artifact]) -> Artifact:
    """Make the surfaces of the segments of one cell."""
    from pipeline import reconciliation

    return reconciliation.mesh_cell(run, cell, before)


@python_app(executors=["light"])
def trace_cell(run: Run, cell: Cell, blocks: list[Artifact]) -> Artifact:
    """Trace the segments of one cell."""
    from pipeline import reconciliation

    return reconciliation.trace_cell(run, cell, blocks)


@python_app(executors=["light"])
def list_pieces(run: Run, kind: Kind, pieces: list[Artifact], measured: list[Artifact]) -> Artifact:
    """List where the pieces of every segment are."""
    from pipeline import reconciliation

    return reconciliation.list_pieces(run, kind, pieces, measured)


@python_app(executors=["light"])
def write_shard(run: Run, kind: Kind, number: int, listing: Artifact) -> Artifact:
    """Write the file of the volume that holds the shapes of some of its segments."""
    from pipeline import reconciliation

    return reconciliation.write_shard(run, kind, number, listing)
