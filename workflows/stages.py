"""The workflow itself: which task waits for which.

Tasks exchange artifacts (a path and its SHA-256) as futures; Parsl starts each as soon as what it
needs is there, so evidence is found while other tiles are still being segmented.
"""

from __future__ import annotations

from dataclasses import dataclass

from parsl.dataflow.futures import AppFuture

from apps import evaluate, infer, prepare, reconcile, train
from pipeline import evaluation, reconciliation
from pipeline.run_folder import Run


@dataclass(frozen=True)
class Stage:
    """Tasks of one kind, as the user sees them."""

    name: str
    futures: list[AppFuture]


def submit(run: Run) -> list[Stage]:
    """Submit every task of a resolved run; returns at once with the stages in order."""
    phantom = [prepare.make_phantom(run)] if run.uses_phantom else []
    stages = [Stage("phantom", phantom)]
    if run.config.trains:
        coordinates = train.sample_coordinates(run, after=phantom)
        model = train.train(run, coordinates)
        stages += [Stage("sample", [coordinates]), Stage("train", [model])]
    else:
        model = train.import_checkpoint(run)
        stages += [Stage("import network", [model])]
    tiles = {t.index: infer.segment_tile(run, t, model, after=phantom) for t in run.grid}
    stages += [Stage("segment", list(tiles.values())), *_reconcile(run, tiles)]
    if run.config.evaluation.box is not None:
        stages += _evaluate(run, stages[-1].futures)
    return [stage for stage in stages if stage.futures]


def _reconcile(run: Run, tiles: dict[int, AppFuture]) -> list[Stage]:
    evidence = []
    for tile in run.grid:
        involved = [tile.index, *(n.index for n in run.grid.neighbours(tile) if n.index > tile.index)]
        evidence.append(reconcile.find_evidence(run, tile, {i: tiles[i] for i in involved}))
    id_table = reconcile.merge(run, evidence)
    blocks = [
        reconcile.write_block(
            run, block, id_table, {t.index: tiles[t.index] for t in reconciliation.tiles_of_block(run, block)}
        )
        for block in reconciliation.blocks(run)
    ]
    return [Stage("compare", evidence), Stage("merge", [id_table]), Stage("write", blocks)]


def _evaluate(run: Run, segmentation: list[AppFuture]) -> list[Stage]:
    counts = [evaluate.count_block(run, block, segmentation) for block in evaluation.blocks(run)]
    return [Stage("count", counts), Stage("score", [evaluate.score_run(run, counts)])]
