"""The workflow itself: which task waits for which.

Tasks exchange artifacts (a path and its SHA-256) as futures; Parsl starts each as soon as what it
needs is there, so evidence is found while other tiles are still being segmented.
"""

from __future__ import annotations

from apps import evaluate, infer, report, train
from pipeline.geometry import Tile
from pipeline.inference.tile_input import block_with_context
from pipeline.run_folder import Run
from site_configs import rank_launcher
from workflows.source import Source, make_source
from workflows.stage import Stage, Submit, Task, uncollected
from workflows.volume_stages import make_volume


def build(run: Run, submit: Submit[Task]) -> list[Stage[Task]]:
    """Hand every task of a resolved run to `submit`; returns the stages in order.

    Where only some tiles are asked for, these are the last stage.
    """
    with uncollected():
        return _build(run, submit)


def _build(run: Run, submit: Submit[Task]) -> list[Stage[Task]]:
    source = make_source(run, submit)
    networks, model, choice = _get_network(run, submit, source)
    segmented, tiles, flooder = _segment(run, submit, model, source)
    stages = [*source.stages, *networks, *segmented]
    if run.only is None:
        made, results = make_volume(run, submit, tiles, flooder, source)
        facts = submit(report.write_facts, run, model, [*choice, *results, *source.judged])
        stages += [*made, Stage("report", [facts, submit(report.write_page, run, facts)])]
    return [stage for stage in stages if stage.tasks]


def _get_network(
    run: Run, submit: Submit[Task], source: Source[Task]
) -> tuple[list[Stage[Task]], Task, list[Task]]:
    """Train or import; the network, and the choice of it where there was one."""
    if not run.config.trains:
        model = submit(train.import_checkpoint, run)
        return [], model, []
    box = run.config.training.box
    image = source.image(run, box) if box else []
    coordinates = submit(train.sample_coordinates, run, after=source.phantom)
    networks: list[Task] = []
    for until in run.config.training.parts:
        how = {"launcher": rank_launcher(run), "rehearses": True}
        networks.append(submit(train.train, run, coordinates, until, image, **how, after=networks[-1:]))
    stages = [Stage("sample", [coordinates]), Stage("train", networks, run)]
    if not run.trials:
        return stages, networks[-1], []
    tried, chosen = _try_networks(run, submit, networks, source)
    choice, model = chosen.tasks
    return [*stages, tried, chosen], model, [choice]


def _try_networks(
    run: Run, submit: Submit[Task], networks: list[Task], source: Source[Task]
) -> list[Stage[Task]]:
    """Each network segments the validation box, beside the training of the next; the last stage is the
    choice, and the network that is chosen."""
    tried, scores = [], []
    for trial, network in zip(run.trials, networks):
        [tile] = trial.tiles
        tried.append(_flood(submit, trial, tile, network, source))
        scores.append(submit(evaluate.score_try, trial, tried[-1]))
    choice = submit(evaluate.choose, run, scores)
    chosen = submit(evaluate.take_chosen, run, choice, networks)
    return [Stage("try", [*tried, *scores]), Stage("choose", [choice, chosen])]


def _segment(
    run: Run, submit: Submit[Task], model: Task, source: Source[Task]
) -> tuple[list[Stage[Task]], dict[int, Task], Task]:
    """Each tile in each pass; by its index what is to be reconciled of it, and the first pass's network."""
    models = [submit(train.import_checkpoint, p) if p.has_own_network else model for p in run.passes]
    imported = [m for p, m in zip(run.passes, models) if p.has_own_network]
    segmented = [
        [_flood(submit, one, tile, network, source) for tile in one.tiles]
        for one, network in zip(run.passes, models)
    ]
    stages = [
        Stage("import network", ([] if run.config.trains else [model]) + imported),
        Stage("segment", [task for tasks in segmented for task in tasks]),
    ]
    of_tiles = segmented[0]
    if len(segmented) > 1:
        of_tiles = [submit(infer.find_consensus, run, t, list(of)) for t, *of in zip(run.tiles, *segmented)]
        stages.append(Stage("consensus", of_tiles))
    return stages, {tile.index: task for tile, task in zip(run.tiles, of_tiles)}, models[0]


def _flood(submit: Submit[Task], run: Run, tile: Tile, network: Task, source: Source[Task]) -> Task:
    """Segment a tile once what of the image it reads is there."""
    image = source.image(run, block_with_context(run, tile))
    return submit(infer.segment_tile, run, tile, network, image, after=source.phantom)
