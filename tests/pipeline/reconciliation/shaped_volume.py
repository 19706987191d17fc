"""A known segmentation as a volume, and every task that makes the shapes of its segments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from test_reconciliation_stage import reconcile
from tiled_volume import make_run, write_tile

from pipeline import reconciliation
from pipeline.geometry import Box, Triple
from pipeline.reconciliation import MESHES, SKELETONS, Kind
from pipeline.reconciliation.shapes.cells import Cell
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run

SIZE_NM = (40, 8, 4)


def shaped_run(folder: Path, box: Box, block: Triple, **asked: bool) -> Run:
    """A run of one tile with voxels of 40 x 8 x 4 nm, of which those shapes are asked for."""
    run = make_run(folder, box, box.shape, (0, 0, 0), chunk=block, block=block, mips=0)
    stored = run.config.reconciliation.model_copy(update=asked)
    return replace(run, config=run.config.model_copy(update={"reconciliation": stored}))


def written(run: Run, labels: np.ndarray) -> None:
    """Write the volume and measure it. `labels` are consecutive ids from 1 on, which it keeps."""
    reconcile(run, {tile.index: write_tile(run, tile, labels) for tile in run.grid})


def shape(run: Run, order: random.Random | None = None) -> list[Artifact]:
    """Make what shapes are asked for of a written volume, tasks shuffled if asked; all artifacts."""
    return list(shape_tasks(run, order))


def shape_tasks(run: Run, order: random.Random | None = None) -> Iterator[Artifact]:
    """The artifacts of all tasks, one after the other."""

    def shuffled(things: list) -> list:
        return order.sample(things, len(things)) if order else things

    blocks = by_block(run)

    def of_blocks(cell: Cell) -> list[Artifact]:
        return shuffled([blocks[b] for b in reconciliation.blocks_of_cell(run, cell)])

    if run.config.reconciliation.meshes:
        pieces: dict[Cell, Artifact] = {}
        cells = reconciliation.mesh_cells(run)
        for cell in sorted(shuffled(cells), key=lambda cell: cell.level):
            finer = [pieces[part] for part in reconciliation.parts_of_cell(run, cell)] if cell.level else []
            pieces[cell] = reconciliation.mesh_cell(run, cell, finer or of_blocks(cell))
            yield pieces[cell]
        yield from stored(run, MESHES, [pieces[cell] for cell in cells], shuffled)
    if run.config.reconciliation.skeletons:
        cells = reconciliation.trace_cells(run)
        traced = {cell: reconciliation.trace_cell(run, cell, of_blocks(cell)) for cell in shuffled(cells)}
        yield from stored(run, SKELETONS, [traced[cell] for cell in cells], shuffled)


def by_block(run: Run) -> dict[Box, Artifact]:
    """Stand-ins for the artifacts of the blocks of a written volume."""
    return {block: Artifact(str(block), str(block)) for block in reconciliation.blocks(run)}


def stored(
    run: Run, kind: Kind, pieces: list[Artifact], shuffled: Callable[[list], list] = list
) -> Iterator[Artifact]:
    """The artifacts of what puts pieces together."""
    measured = [reconciliation.measure_block(run, *of) for of in shuffled(list(by_block(run).items()))]
    listing = reconciliation.list_pieces(run, kind, pieces, measured)
    yield listing
    for number in shuffled(list(range(reconciliation.count_shards(run)))):
        yield reconciliation.write_shard(run, kind, number, listing)


def files_of(run: Run, kind: Kind) -> dict[str, bytes]:
    """All that lies in the kind's folder of the volume."""
    folder = run.segmentation_folder / kind.folder
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
