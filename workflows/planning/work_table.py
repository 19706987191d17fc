"""The table of a plan that says, stage by stage, what the work is and where its result goes."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from pipeline.report.history import expected_tasks
from pipeline.run_folder import Run
from pipeline.settings.estimate import Plan, plan
from pipeline.settings.scored import share_chosen_by, share_seen
from pipeline.wording import counted

AGGLOMERATION = (
    "two floods or one at each place where segments meet; how many is known once they are there; not in the "
    "costs below"
)

Row = tuple[str, str, str]
"""Stage, work, result."""


def work_table(run: Run, estimate: Plan) -> Table:
    """All stages of a run in their order."""
    table = Table(box=None, pad_edge=False, title="The work", title_justify="left")
    table.add_column("stage")
    table.add_column("work", overflow="fold")  # which may be a path
    table.add_column("result", overflow="fold")
    for row in (
        *_rows_of_image(run),
        *_rows_of_network(run),
        *_rows_of_tiles(run, estimate),
        *_rows_of_volume(run),
        *_rows_of_scores(run),
    ):
        table.add_row(*row)
    return table


def _rows_of_image(run: Run) -> list[Row]:
    """What the run makes of its input itself."""
    rows = list[Row]()
    if run.uses_phantom:
        z, y, x = run.config.data.phantom.shape
        rows.append(("phantom", f"{z} x {y} x {x} voxels", _relative(run, run.phantom_file)))
    if run.config.sections is None or run.aligned is None:
        return rows
    tasks, (z, y, x) = expected_tasks(run), run.aligned.shape
    montage = f"{tasks['montage']:,} sections of {run.config.sections.tiles.table}"
    match = f"{tasks.get('match', 0):,} pairs of sections, {tasks['relax']:,} groups; not in the costs below"
    return [
        *rows,
        ("shifts, montage", montage, _relative(run, run.alignment_folder)),
        ("match, place, relax", match, _relative(run, run.quality_file)),
        ("render", f"{z} x {y} x {x} voxels at {run.aligned}", _relative(run, run.aligned_folder)),
    ]


def _rows_of_network(run: Run) -> list[Row]:
    model, training = _relative(run, run.model_file), run.config.training
    if not run.config.trains:
        return [("import network", str(run.config.network.checkpoint), model)]
    each = counted(training.threads_per_rank, "thread")
    ranks = f"{counted(training.ranks, 'rank')} of {each}, {training.fovs:,} FOVs"
    rows = [
        ("sample", f"coordinates in {training.box}", _relative(run, run.coordinates_file)),
        ("train", ranks, model),
    ]
    if run.trials:
        calls = plan(run.trials[0]).network_calls
        networks = counted(len(run.trials), "network")
        tried = f"{networks} in {training.validation_box}, each about {calls:,} network calls"
        rows.append(("try, choose", f"{tried}, not in the costs below", _relative(run, run.validation_file)))
    return rows


def _rows_of_tiles(run: Run, estimate: Plan) -> list[Row]:
    grid = " x ".join(str(n) for n in estimate.tile_grid)
    times = f", each in {estimate.passes} passes" if estimate.passes > 1 else ""
    rows = [
        (
            "segment",
            f"{counted(estimate.tiles, 'tile')} ({grid}) over {run.inference_box}{times}; "
            f"{estimate.overlap_factor:.2f} times its voxels, about {estimate.network_calls:,} network calls",
            "tiles/",
        )
    ]
    if estimate.passes > 1:
        agreed = f"{counted(estimate.tiles, 'task')}: what {estimate.passes} passes agree on"
        rows.append(("consensus", agreed, "tiles/"))
    return rows


def _rows_of_volume(run: Run) -> list[Row]:
    settings = run.config.reconciliation
    rows = [("compare, merge", f"{counted(len(run.grid), 'task')}, then one", "tiles/reconciliation/")]
    if settings.corrections is not None:
        changed = f"joins and cuts of {settings.corrections}"
        rows.append(("correct", changed, _relative(run, run.corrections_file)))
    known = "what is known of its segments, and coarser levels"
    rows += [
        ("write", "Neuroglancer precomputed uint64", _in_volume(run)),
        ("measure, properties, downsample", known, _in_volume(run)),
    ]
    if settings.meshes:
        told = "surfaces of its segments, at several levels of detail"
        rows.append(("mesh, store meshes", told, _in_volume(run, "/mesh")))
    if settings.skeletons:
        told = "lines along the middle of its segments"
        rows.append(("trace, store skeletons", told, _in_volume(run, "/skeletons")))
    if run.config.agglomeration.enabled:
        where = _relative(run, run.agglomeration_file)
        rows.append(("points, resegment, agglomerate", AGGLOMERATION, where))
    return rows


def _rows_of_scores(run: Run) -> list[Row]:
    settings, rows = run.config.evaluation, list[Row]()
    if settings.box is not None:
        seen, chosen_by = share_seen(run), share_chosen_by(run)
        marked = f", {seen:.0%} of it seen in training" if seen else ""
        marked += f", {chosen_by:.0%} of it chooses the network" if chosen_by else ""
        rows.append(("count, score", f"in {settings.box}{marked}", _relative(run, run.metrics_file)))
        rows.append(("worst", "the costliest errors", _relative(run, run.worst_file)))
    if settings.measures_run_length:
        rows.append(("run length", str(settings.skeletons), _relative(run, run.run_length_file)))
    return rows


def _in_volume(run: Run, folder: str = "") -> str:
    """The segmentation, or a folder in it: in the run folder, or in the bucket that is named below."""
    volume = run.volume
    return (_relative(run, volume) if isinstance(volume, Path) else "the bucket") + folder


def _relative(run: Run, path: Path) -> str:
    return str(path.relative_to(run.folder))
