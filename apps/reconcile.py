"""Turn segmented tiles into one volume."""

from __future__ import annotations

from parsl import python_app

from pipeline.geometry import Box, Tile
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


@python_app(executors=["head"])
def merge(run: Run, groups: list[Artifact]) -> Artifact:
    """Give every segment of every tile its global id."""
    from pipeline import reconciliation

    return reconciliation.merge(run, groups)


@python_app(executors=["head"])
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
    run: Run, block: Box, volume: Artifact, id_table: Artifact, tiles: dict[int, Artifact]
) -> Artifact:
    """Write one block of the precomputed volume."""
    from pipeline import reconciliation

    return reconciliation.write_block(run, block, volume, id_table, tiles)
