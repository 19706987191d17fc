"""Tasks from segmented tiles to one volume, what is made of it, and its scores: which waits for which."""

from __future__ import annotations

from itertools import pairwise

from apps import agglomerate, evaluate, reconcile
from pipeline import agglomeration, evaluation, reconciliation
from pipeline.geometry import Box
from pipeline.reconciliation import Cell, Kind, Level
from pipeline.run_folder import Run
from workflows.source import Source
from workflows.stage import Stage, Submit, Task


def make_volume(
    run: Run, submit: Submit[Task], tiles: dict[int, Task], model: Task, source: Source[Task]
) -> tuple[list[Stage[Task]], list[Task]]:
    """Submit all that follows on `tiles`, by index; the stages, and the tasks that make a run's results.

    `model` is the network that floods where segments meet.
    """
    levels = reconciliation.levels(run)
    stages = _reconcile(run, submit, levels[0], tiles)
    by_name = {stage.name: stage.tasks for stage in stages}
    [merged], corrections, written = by_name["merge"], by_name["correct"], by_name["write"]
    results = [*written, *corrections]
    described = _describe(run, submit, levels, written)
    [measured, *shown] = described
    shapes = [shape(run, submit, written, measured.tasks) for shape in (_mesh, _trace)]
    stages += [*described, *(stage for shape in shapes for stage in shape)]
    shown += [stage for shape in shapes for stage in shape[1:]]
    joined: list[Task] = []
    if run.config.agglomeration.enabled:
        agglomerated = _agglomerate(run, submit, model, written, source, corrections[:1])
        stages += agglomerated
        shown.append(agglomerated[-1])
        joined = agglomerated[-1].tasks[:1]
    if run.config.evaluation.box is not None:
        before = _count_uncorrected(run, submit, merged, tiles)
        counted, scored, worst = _evaluate(run, submit, written, joined, before)
        stages += [counted, scored, worst]
        shown += [scored, worst]
    along = _run_length(run, submit, written, joined, source.phantom)
    stages += along
    shown += along[-1:]
    return stages, [*results, *(task for stage in shown for task in stage.tasks)]


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


def _agglomerate(
    run: Run,
    submit: Submit[Task],
    model: Task,
    written: list[Task],
    source: Source[Task],
    corrected: list[Task],
) -> list[Stage[Task]]:
    """The last stage is the agglomeration, and its edges; `corrected` holds the corrected table, if any."""
    by_block = dict(zip(reconciliation.blocks(run), written))

    def parts(reach: Box) -> list[Task]:
        return [by_block[block] for block in reconciliation.blocks(run, meeting=reach)]

    points, scores = [], []
    for block in agglomeration.blocks(run):
        near, far = agglomeration.points_reach(run, block), agglomeration.resegment_reach(run, block)
        points.append(submit(agglomerate.find_points, run, block, parts(near)))
        image = source.image(run, block.grow(agglomeration.radius_of(run)))
        scores.append(submit(agglomerate.resegment, run, block, points[-1], model, parts(far), image))
    joined = submit(agglomerate.agglomerate, run, scores, corrected)
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


def _run_length(
    run: Run, submit: Submit[Task], written: list[Task], joined: list[Task], phantom: list[Task]
) -> list[Stage[Task]]:
    """Run length along skeletons, made first where there are none; nothing where it is not asked for.

    `joined` as for `_evaluate`.
    """
    if run.config.evaluation.makes_skeletons:
        made = submit(evaluate.make_skeletons, run, after=phantom)
        along = submit(evaluate.measure_run_length, run, written, made, joined)
        return [Stage("skeletons", [made]), Stage("run length", [along])]
    if run.config.evaluation.measures_run_length:
        return [Stage("run length", [submit(evaluate.measure_run_length, run, written, None, joined)])]
    return []
