"""What a user reads before a run: the stages, how much work they are and where each result goes."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from parsl.dataflow.memoization import BasicMemoizer
from rich.console import Console
from rich.table import Table

import site_configs
from pipeline.checkup.before_run import Found
from pipeline.checkup.finding import SKIP
from pipeline.report.history import expected_tasks
from pipeline.run_folder import Run
from pipeline.settings.estimate import plan
from pipeline.settings.scored import share_chosen_by, share_seen
from pipeline.training.launch import where_training_starts
from site_configs.preview import launch_line, submit_scripts
from workflows.planning.costs import expected, print_costs
from workflows.planning.discards import describe, discarded
from workflows.planning.explain import foresight, outcomes, status_of
from workflows.planning.rates import Rates
from workflows.planning.stage_table import stage_table
from workflows.planning.tile_choices import print_tile_choices
from workflows.running.gates import gate_lines

AGGLOMERATION = (
    "two floods or one at each place where segments meet; how many is known once they are there; not in the "
    "costs below"
)


def print_plan(
    run: Run,
    console: Console,
    found: Sequence[Found],
    rates: Rates,
    budget_node_hours: float | None = None,
    verify: bool = False,
) -> None:
    """Say what the checks have `found`, what the work is, what it costs by `rates`, where results go, and
    what of it is there already.

    With a budget, other tiles and overlaps are compared.
    """
    print_findings(found, console)
    config, estimate = run.config, expected(run, rates)
    table = Table(box=None, pad_edge=False, title="The work", title_justify="left")
    table.add_column("stage")
    table.add_column("work", overflow="fold")  # which may be a path
    table.add_column("result", overflow="fold")
    if run.uses_phantom:
        z, y, x = config.data.phantom.shape
        table.add_row("phantom", f"{z} x {y} x {x} voxels", _relative(run, run.phantom_file))
    for row in _rows_of_sections(run):
        table.add_row(*row)
    if config.trains:
        t = config.training
        table.add_row("sample", f"coordinates in {t.box}", _relative(run, run.coordinates_file))
        ranks = f"{t.ranks} ranks of {t.threads_per_rank} thread(s), {t.fovs:,} FOVs"
        table.add_row("train", ranks, _relative(run, run.model_file))
        if run.trials:
            calls = plan(run.trials[0]).network_calls
            tried = f"{len(run.trials)} networks in {t.validation_box}, each about {calls:,} network calls"
            table.add_row(
                "try, choose", f"{tried}, not in the costs below", _relative(run, run.validation_file)
            )
    else:
        table.add_row("import network", str(config.network.checkpoint), _relative(run, run.model_file))
    grid = " x ".join(str(n) for n in estimate.tile_grid)
    table.add_row(
        "segment",
        f"{estimate.tiles} tiles ({grid}) over {run.inference_box}{_times(estimate.passes)}; "
        f"{estimate.overlap_factor:.2f} times its voxels, about {estimate.network_calls:,} network calls",
        "tiles/",
    )
    if estimate.passes > 1:
        table.add_row(
            "consensus", f"{estimate.tiles} tasks: what {estimate.passes} passes agree on", "tiles/"
        )
    table.add_row("compare, merge", f"{estimate.tiles} tasks, then one", "tiles/reconciliation/")
    if config.reconciliation.corrections is not None:
        work = f"joins and cuts of {config.reconciliation.corrections}"
        table.add_row("correct", work, _relative(run, run.corrections_file))
    table.add_row("write", "Neuroglancer precomputed uint64", _in_volume(run))
    table.add_row(
        "measure, properties, downsample",
        "what is known of its segments, and coarser levels",
        _in_volume(run),
    )
    if config.reconciliation.meshes:
        told = "surfaces of its segments, at several levels of detail"
        table.add_row("mesh, store meshes", told, _in_volume(run, "/mesh"))
    if config.reconciliation.skeletons:
        told = "lines along the middle of its segments"
        table.add_row("trace, store skeletons", told, _in_volume(run, "/skeletons"))
    if config.agglomeration.enabled:
        where = _relative(run, run.agglomeration_file)
        table.add_row("points, resegment, agglomerate", AGGLOMERATION, where)
    if config.evaluation.box is not None:
        seen = share_seen(run)
        marked = f", {seen:.0%} of it seen in training" if seen else ""
        chosen_by = share_chosen_by(run)
        marked += f", {chosen_by:.0%} of it chooses the network" if chosen_by else ""
        table.add_row("count, score", f"in {config.evaluation.box}{marked}", _relative(run, run.metrics_file))
        table.add_row("worst", "the costliest errors", _relative(run, run.worst_file))
    if config.evaluation.measures_run_length:
        table.add_row("run length", config.evaluation.skeletons, _relative(run, run.run_length_file))
    console.print(table, soft_wrap=True)
    print_what_is_done(run, console, verify)
    print_jobs(run, console)
    network = config.network
    console.print(
        f"\nrun folder  {run.folder}"
        f"{_bucket(run)}"
        f"\nsite        {config.site.name}: {config.site.workers} worker(s) of "
        f"{config.site.threads_per_worker} thread(s)"
        f"\nnetwork     FOV {list(network.fov)}, deltas {list(config.inference_deltas)}, depth "
        f"{network.depth}, {network.features} features{_normalised(run)}: "
        f"{estimate.flops_per_call / 1e9:.1f} GFLOP a call, "
        f"{estimate.flops_per_call * estimate.network_calls / 1e12:.1f} TFLOP in all"
        f"\nengine      {_engine(run)}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    print_costs(run, rates, console)
    if budget_node_hours is not None:
        if rates.segment is None:
            told = "other tiles are not compared for the budget: that takes a rate of tiles"
            console.print(told, highlight=False, soft_wrap=True)
        else:
            print_tile_choices(run, rates, rates.segment, budget_node_hours, console)
    console.print("Nothing was written: this was a dry run.", highlight=False)


def _rows_of_sections(run: Run) -> list[tuple[str, str, str]]:
    """What is made of sections, where the run makes its image of them."""
    tasks = expected_tasks(run)
    if run.config.sections is None or run.aligned is None:
        return []
    z, y, x = run.aligned.shape
    montage = f"{tasks['montage']:,} sections of {run.config.sections.tiles.table}"
    match = f"{tasks.get('match', 0):,} pairs of sections, {tasks['relax']:,} groups; not in the costs below"
    return [
        ("shifts, montage", montage, _relative(run, run.alignment_folder)),
        ("match, place, relax", match, _relative(run, run.quality_file)),
        ("render", f"{z} x {y} x {x} voxels at {run.aligned}", _relative(run, run.aligned_folder)),
    ]


def print_findings(found: Sequence[Found], console: Console) -> None:
    """What the checks have found of the input, a line each; those that do not apply are left out."""
    console.print("The input")
    width = max(len(what) for what, _ in found)
    for what, finding in found:
        if finding.state != SKIP:
            line = f"{finding.state:4}  {what:{width}}  {finding.text}"
            console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print()


def print_jobs(run: Run, console: Console, unused: Collection[str] = ()) -> None:
    """Of a site with a batch system: the scripts of its jobs, but for executors that are `unused`, and the
    line that starts the ranks."""
    for remark in site_configs.remarks(run):
        console.print(f"\n{remark}", highlight=False, soft_wrap=True, markup=False)
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    shown = {
        f"A job of executor {label}": script
        for label, script in submit_scripts(run, config).items()
        if label not in unused and (label != "train" or run.config.trains)
    }
    line = launch_line(site_configs.rank_launcher(run), run) if run.config.trains else None
    if line:
        shown["In a job of executor train, the ranks are started by"] = shlex.join(line)
    for title, text in shown.items():
        console.print(f"\n{title}\n{text.rstrip()}", highlight=False, soft_wrap=True, markup=False)


def print_what_is_done(run: Run, console: Console, verify: bool = False) -> None:
    """Per stage: how many tasks are finished, how many would run, and why."""
    with foresight() as place:
        stages = outcomes(run, verify, foresee_in=place)
    statuses = [status_of(stage) for stage in stages]
    for line in gate_lines(run, stages):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if any(status.finished for status in statuses):
        table = stage_table(statuses, "would run")
        table.title, table.title_justify = "\nWhat is done, and what would run", "left"
        console.print(table, soft_wrap=True)
    else:
        console.print("\nNothing of it is done yet.", highlight=False)
    training = where_training_starts(run)
    if training is not None and (training.goes_on_at or training.lost):
        console.print(str(training), highlight=False, soft_wrap=True, markup=False)
    for line in describe(run, discarded(run)):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _engine(run: Run) -> str:
    """What segments the tiles, and who has said so."""
    if run.pin is not None:
        return f"{run.pin}, as host {run.pin.host} began"
    asked = run.config.inference
    return f"{asked.engine} in precision {asked.precision}; the first worker pins it for all tiles"


def _normalised(run: Run) -> str:
    none = run.config.network.normalisation == "none"
    return "" if none else ", layers normalised, which the winograd engine does not compute"


def _times(passes: int) -> str:
    return f", each in {passes} passes" if passes > 1 else ""


def _bucket(run: Run) -> str:
    """A line for the bucket, where the segmentation is written to one."""
    return "" if isinstance(run.volume, Path) else f"\nbucket      {run.volume}"


def _in_volume(run: Run, folder: str = "") -> str:
    """The segmentation, or a folder in it: in the run folder, or in the bucket that is named below."""
    volume = run.volume
    return (_relative(run, volume) if isinstance(volume, Path) else "the bucket") + folder


def _relative(run: Run, path: Path) -> str:
    return str(path.relative_to(run.folder))
