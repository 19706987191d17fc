"""What a user reads before a run: the stages, how much work they are and where each result goes."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from parsl.dataflow.memoization import BasicMemoizer
from rich.console import Console

import site_configs
from pipeline.checkup.before_run import Found
from pipeline.checkup.finding import SKIP
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.settings.estimate import Plan
from pipeline.training.start import where_training_starts
from pipeline.wording import counted
from site_configs.preview import launch_line, submit_scripts
from workflows.output import say
from workflows.planning.costs import expected, print_costs
from workflows.planning.discards import describe, discarded
from workflows.planning.explain import (
    Outcome,
    StageStatus,
    foresight,
    outcomes,
    status_of,
    tiles_segmented,
)
from workflows.planning.rates import Rates
from workflows.planning.stage_table import stage_table
from workflows.planning.tile_choices import print_tile_choices
from workflows.planning.work_table import work_table
from workflows.running.gates import gate_lines
from workflows.stage import Stage


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
    estimate = expected(run, rates)
    console.print(work_table(run, estimate), soft_wrap=True)
    statuses = print_what_is_done(run, console, verify)
    print_jobs(run, console)
    say(console, *_facts(run, estimate))
    finished = tiles_segmented(statuses)
    print_costs(run, rates, console, finished)
    if budget_node_hours is not None:
        if rates.segment is None:
            told = "other tiles are not compared for the budget: that takes a rate of tiles"
            say(console, told)
        else:
            print_tile_choices(run, rates, rates.segment, budget_node_hours, console, finished)
    console.print("Nothing was written: this was a dry run.", highlight=False)


def _facts(run: Run, estimate: Plan) -> list[str]:
    """Where results go, on which machine, by which network and engine."""
    network, site = run.config.network, run.config.site
    size = f"depth {network.depth}, {network.features} features{_normalised(run)}"
    flops = estimate.flops_per_call
    return [
        "",
        f"run folder  {run.folder}",
        *([] if isinstance(run.volume, Path) else [f"bucket      {run.volume}"]),
        f"site        {site.name}: {counted(site.workers, 'worker')} of "
        f"{counted(site.threads_per_worker, 'thread')}",
        f"network     FOV {list(network.fov)}, deltas {list(run.config.inference_deltas)}, {size}: "
        f"{flops / 1e9:.1f} GFLOP a call, {flops * estimate.network_calls / 1e12:,.1f} TFLOP in all",
        f"engine      {_engine(run)}",
    ]


def print_findings(found: Sequence[Found], console: Console) -> None:
    """What the checks have found of the input, a line each; those that do not apply are left out."""
    console.print("The input")
    width = max(len(what) for what, _ in found)
    for what, finding in found:
        if finding.state != SKIP:
            line = f"{finding.state:4}  {what:{width}}  {finding.text}"
            say(console, line)
    console.print()


def print_jobs(run: Run, console: Console, unused: Collection[str] = ()) -> None:
    """Of a site with a batch system: the scripts of its jobs, but for executors that are `unused`, and the
    line that starts the ranks."""
    for remark in site_configs.remarks(run):
        say(console, f"\n{remark}")
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
        say(console, f"\n{title}\n{text.rstrip()}")


def print_what_is_done(run: Run, console: Console, verify: bool = False) -> list[StageStatus]:
    """Per stage: how many tasks are finished, how many would run, and why; returns these."""
    stages: list[Stage[Outcome]] = []
    if _tells_by_its_tasks(run):
        with foresight() as place:
            stages = outcomes(run, verify, foresee_in=place)
    statuses = [status_of(stage) for stage in stages]
    say(console, *gate_lines(run, stages))
    if any(status.finished for status in statuses):
        table = stage_table(statuses, "would run")
        table.title, table.title_justify = "\nWhat is done, and what would run", "left"
        console.print(table, soft_wrap=True)
    else:
        console.print("\nNothing of it is done yet.", highlight=False)
    training = where_training_starts(run)
    if training is not None and (training.goes_on_at or training.lost):
        say(console, str(training))
    say(console, *describe(run, discarded(run)))
    return statuses


def _tells_by_its_tasks(run: Run) -> bool:
    """Whether something is done of a run, or is judged or refused task by task: else nobody need work out
    what a million tasks are."""
    return is_there(run.folder) or bool(run.config.gates or run.config.reconciliation.corrections)


def _engine(run: Run) -> str:
    """What segments the tiles, and who has said so."""
    if run.pin is not None:
        return f"{run.pin}, as host {run.pin.host} began"
    asked = run.config.inference
    return f"{asked.engine} in precision {asked.precision}; the first worker pins it for all tiles"


def _normalised(run: Run) -> str:
    none = run.config.network.normalisation == "none"
    return "" if none else ", layers normalised, which the winograd engine does not compute"
