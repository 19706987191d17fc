"""The workflow itself: which task waits for which.

Tasks exchange artifacts (a path and its SHA-256) as futures; Parsl starts each as soon as what it
needs is there, so evidence is found while other tiles are still being segmented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

import parsl
from parsl.app.python import PythonApp

from apps import agglomerate, evaluate, infer, prepare, reconcile, report, train
from apps.names import named
from apps.placing import placed_among
from pipeline import agglomeration, evaluation, reconciliation
from pipeline.geometry import Box
from pipeline.reconciliation import Cell, Kind, Level
from pipeline.run_folder import Run
from site_configs import rank_launcher

Task = TypeVar("Task")
Submit = Callable[..., Task]
"""Given an app and its arguments, among them earlier tasks: the task that stands for its result."""


@dataclass(frozen=True)
class Stage(Generic[Task]):
    """Tasks of one kind, as the user sees them."""

    name: str
    tasks: list[Task]
    training: Run | None = None
    """The run whose training the last task is: its log tells how far that is."""


def call(app: PythonApp, *args: Any, **kwargs: Any) -> Any:
    """Submit to Parsl: the task is the app's future."""
    return placed_among(app, parsl.dfk().executors)(*args, **kwargs)


def call_by_name(app: PythonApp, *args: Any, **kwargs: Any) -> Any:
    """As `call`; in Parsl's monitoring and logs the task says of which tile or box it is."""
    return call(named(app, args), *args, **kwargs)


def build(run: Run, submit: Submit[Task]) -> list[Stage[Task]]:
    """Hand every task of a resolved run to `submit`; returns the stages in order.

    Where only some tiles are asked for, these are the last stage.
    """
    phantom = [submit(prepare.make_phantom, run)] if run.uses_phantom else []
    stages, choice = [Stage("phantom", phantom)], list[Task]()
    if run.config.trains:
        coordinates = submit(train.sample_coordinates, run, after=phantom)
        networks: list[Task] = []
        for until in run.config.training.parts:
            launcher = rank_launcher(run)
            part = submit(train.train, run, coordinates, until, launcher=launcher, after=networks[-1:])
            networks.append(part)
        stages += [Stage("sample", [coordinates]), Stage("train", networks, run)]
        model = networks[-1]
        if run.trials:
            stages += _try_networks(run, submit, networks, phantom)
            choice, model = stages[-1].tasks[:1], stages[-1].tasks[-1]
    else:
        model = submit(train.import_checkpoint, run)
    models = [submit(train.import_checkpoint, p) if p.has_own_network else model for p in run.passes]
    imported = [m for p, m in zip(run.passes, models) if p.has_own_network]
    stages.append(Stage("import network", ([] if run.config.trains else [model]) + imported))
    segmented = [
        [submit(infer.segment_tile, one, tile, network, after=phantom) for tile in one.tiles]
        for one, network in zip(run.passes, models)
    ]
    stages.append(Stage("segment", [task for tasks in segmented for task in tasks]))
    of_tiles = segmented[0]
    if len(segmented) > 1:
        of_tiles = [submit(infer.find_consensus, run, t, list(of)) for t, *of in zip(run.tiles, *segmented)]
        stages.append(Stage("consensus", of_tiles))
    tiles = {tile.index: task for tile, task in zip(run.tiles, of_tiles)}
    if run.only is None:
        levels = reconciliation.levels(run)
        reconciled = _reconcile(run, submit, levels[0], tiles)
        stages += reconciled
        by_name = {stage.name: stage.tasks for stage in reconciled}
        [merged], corrections, written = by_name["merge"], by_name["correct"], by_name["write"]
        described = _describe(run, submit, levels, written)
        stages += described
        results = [*choice, *written, *corrections]
        results += [task for stage in described[1:] for task in stage.tasks]
        for shape in (_mesh, _trace):
            shaped = shape(run, submit, written, described[0].tasks)
            stages += shaped
            results += [task for stage in shaped[1:] for task in stage.tasks]
        joined: list[Task] = []
        if run.config.agglomeration.enabled:
            stages += _agglomerate(run, submit, models[0], written)
            joined = stages[-1].tasks[:1]
            results = [*results, *stages[-1].tasks]
        if run.config.evaluation.box is not None:
            before = _count_uncorrected(run, submit, merged, tiles)
            counted, scored, worst = _evaluate(run, submit, written, joined, before)
            stages += [counted, scored, worst]
            results = [*results, *scored.tasks, *worst.tasks]
        if run.config.evaluation.makes_skeletons:
            made = submit(evaluate.make_skeletons, run, after=phantom)
            along = submit(evaluate.measure_run_length, run, written, made)
            stages += [Stage("skeletons", [made]), Stage("run length", [along])]
            results = [*results, along]
        elif run.config.evaluation.measures_run_length:
            along = submit(evaluate.measure_run_length, run, written)
            stages.append(Stage("run length", [along]))
            results = [*results, along]
        facts = submit(report.write_facts, run, model, results)
        stages.append(Stage("report", [facts, submit(report.write_page, run, facts)]))
    return [stage for stage in stages if stage.tasks]


def _try_networks(
    run: Run, submit: Submit[Task], networks: list[Task], phantom: list[Task]
) -> list[Stage[Task]]:
    """Each network segments the validation box, beside the training of the next; the last stage is the
    choice, and the network that is chosen."""
    tried, scores = [], []
    for trial, network in zip(run.trials, networks):
        [tile] = trial.tiles
        tried.append(submit(infer.segment_tile, trial, tile, network, after=phantom))
        scores.append(submit(evaluate.score_try, trial, tried[-1]))
    choice = submit(evaluate.choose, run, scores)
    chosen = submit(evaluate.take_chosen, run, choice, networks)
    return [Stage("try", [*tried, *scores]), Stage("choose", [choice, chosen])]


def _reconcile(run: Run, submit: Submit[Task], level: Level, tiles: dict[int, Task]) -> list[Stage[Task]]:
    evidence = []
    for tile in run.grid:
        involved = [tile.index, *(n.index for n in run.grid.later_neighbours(tile))]
        evidence.append(submit(reconcile.find_evidence, run, tile, {i: tiles[i] for i in involved}))
    groups = [
        submit(reconcile.gather, run, group, [evidence[i] for i in group])
        for group in reconciliation.groups(run)
    ]
    merged = id_table = submit(reconcile.merge, run, groups)
    corrections: list[Task] = []
    if run.config.reconciliation.corrections is not None:
        seen = {tile.index: tiles[tile.index] for tile in reconciliation.tiles_corrected(run)}
        id_table = submit(reconcile.correct, run, merged, groups, seen)
        corrections = [id_table, submit(reconcile.list_corrections, run, id_table)]
    conflicts = submit(reconcile.list_conflicts, run, id_table)
    volume = submit(reconcile.create_volume, run, after=[id_table])
    blocks = []
    for block in reconciliation.blocks(run):
        involved = [tile.index for tile in reconciliation.tiles_of_block(run, block)]
        parts = {i: tiles[i] for i in involved}
        blocks.append(submit(reconcile.write_block, run, level, block, id_table, parts, after=[volume]))
    return [
        Stage("compare", evidence),
        Stage("join", groups),
        Stage("merge", [merged]),
        Stage("correct", corrections),
        Stage("conflicts", [conflicts]),
        Stage("volume", [volume]),
        Stage("write", blocks),
    ]


def _describe(run: Run, submit: Submit[Task], levels: list[Level], written: list[Task]) -> list[Stage[Task]]:
    """What is made of the blocks for whoever looks at the volume; the first stage serves the second."""
    measured = [submit(reconcile.measure_block, run, *of) for of in zip(reconciliation.blocks(run), written)]
    properties = submit(reconcile.list_properties, run, measured)
    by_block = dict(zip(reconciliation.blocks(run), written))
    coarse: list[Task] = []
    for before, level in pairwise(levels):
        finer, by_block = by_block, {}
        for block in reconciliation.level_blocks(run, level):
            parts = [finer[b] for b in reconciliation.level_blocks(run, before, level.source(block))]
            by_block[block] = submit(reconcile.downsample_block, run, before, level, block, parts)
        coarse += by_block.values()
    return [Stage("measure", measured), Stage("properties", [properties]), Stage("downsample", coarse)]


def _mesh(run: Run, submit: Submit[Task], written: list[Task], measured: list[Task]) -> list[Stage[Task]]:
    """The surfaces of segments, where they are asked for: of each cell, and put together."""
    if not run.config.reconciliation.meshes:
        return []
    by_block = dict(zip(reconciliation.blocks(run), written))
    pieces: dict[Cell, Task] = {}
    for cell in reconciliation.mesh_cells(run):
        if cell.level:
            before = [pieces[part] for part in reconciliation.parts_of_cell(run, cell)]
        else:
            before = [by_block[block] for block in reconciliation.blocks_of_cell(run, cell)]
        pieces[cell] = submit(reconcile.mesh_cell, run, cell, before)
    stored = _store(run, submit, reconciliation.MESHES, list(pieces.values()), measured)
    return [Stage("mesh", list(pieces.values())), Stage("store meshes", stored)]


def _trace(run: Run, submit: Submit[Task], written: list[Task], measured: list[Task]) -> list[Stage[Task]]:
    """As `_mesh`, of skeletons."""
    if not run.config.reconciliation.skeletons:
        return []
    by_block = dict(zip(reconciliation.blocks(run), written))
    pieces = [
        submit(
            reconcile.trace_cell, run, cell, [by_block[b] for b in reconciliation.blocks_of_cell(run, cell)]
        )
        for cell in reconciliation.trace_cells(run)
    ]
    stored = _store(run, submit, reconciliation.SKELETONS, pieces, measured)
    return [Stage("trace", pieces), Stage("store skeletons", stored)]


def _store(
    run: Run, submit: Submit[Task], kind: Kind, pieces: list[Task], measured: list[Task]
) -> list[Task]:
    listing = submit(reconcile.list_pieces, run, kind, pieces, measured)
    shards = range(reconciliation.count_shards(run))
    return [listing, *(submit(reconcile.write_shard, run, kind, n, listing) for n in shards)]


def _agglomerate(run: Run, submit: Submit[Task], model: Task, written: list[Task]) -> list[Stage[Task]]:
    """The last stage is the agglomeration, and its edges."""
    by_block = dict(zip(reconciliation.blocks(run), written))

    def parts(reach: Box) -> list[Task]:
        return [by_block[block] for block in reconciliation.blocks(run, meeting=reach)]

    points, scores = [], []
    for block in agglomeration.blocks(run):
        near, far = agglomeration.points_reach(run, block), agglomeration.resegment_reach(run, block)
        points.append(submit(agglomerate.find_points, run, block, parts(near)))
        scores.append(submit(agglomerate.resegment, run, block, points[-1], model, parts(far)))
    joined = submit(agglomerate.agglomerate, run, scores)
    edges = submit(agglomerate.list_edges, run, joined)
    return [Stage("points", points), Stage("resegment", scores), Stage("agglomerate", [joined, edges])]


def _count_uncorrected(run: Run, submit: Submit[Task], merged: Task, tiles: dict[int, Task]) -> list[Task]:
    """Counts of what the merge made, where it is corrected."""
    if run.config.reconciliation.corrections is None:
        return []
    counts = []
    for block in evaluation.blocks(run):
        read = run.grid.with_cores_in(evaluation.reach(run, block))
        parts = {tile.index: tiles[tile.index] for tile in read}
        counts.append(submit(evaluate.count_uncorrected, run, block, merged, parts))
    return counts


def _evaluate(
    run: Run, submit: Submit[Task], written: list[Task], joined: list[Task], before: list[Task]
) -> list[Stage[Task]]:
    """`joined` holds the agglomeration, if there is one; `before` counts of what was not yet corrected."""
    by_block = dict(zip(reconciliation.blocks(run), written))
    counts = []
    for block in evaluation.blocks(run):
        read = [by_block[b] for b in reconciliation.blocks(run, meeting=evaluation.reach(run, block))]
        counts.append(submit(evaluate.count_block, run, block, read))
    return [
        Stage("count", [*counts, *before]),
        Stage("score", [submit(evaluate.score_run, run, counts, joined, before)]),
        Stage("worst", [submit(evaluate.find_worst, run, counts, written)]),
    ]
