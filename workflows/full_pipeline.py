"""Train a flood-filling network, segment a volume, reconcile and score it: the whole way, one command.

    python workflows/full_pipeline.py --config configs/demo.yaml

Running the same command again goes on where the last run stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

import logging
import math
from typing import Annotated

import typer
from rich.console import Console

from pipeline.checkup.before_run import (
    MENDED_BY_START,
    OF_THE_MACHINE,
    Found,
    check,
    refuse_failed,
    warnings_of,
)
from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from site_configs import check as check_machine
from workflows.command_line import (
    ConfigOption,
    DiscardOption,
    QuietOption,
    RunDirOption,
    SetOption,
    SiteOption,
    load_settings,
    print_run_file,
    run_file,
    run_folder,
    start,
)
from workflows.output import PlainConsole
from workflows.running.execution import work


def full_pipeline(
    config: ConfigOption = None,
    run_dir: RunDirOption = None,
    site: SiteOption = None,
    overrides: SetOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would run and why, how much work it is, where it goes."),
    ] = False,
    rates: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN_DIR", help="In a plan (--dry-run), tell costs by what another run measured."
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget-node-hours",
            metavar="HOURS",
            min=0,
            help="In a plan, compare tiles and overlaps, and suggest those that fit.",
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every finished file again and compare its SHA-256.")
    ] = False,
    discard: DiscardOption = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Open every gate of the run file's `gates`; that is kept too.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Train a flood-filling network, segment a volume tile by tile, reconcile and score it.

    Without options it runs the demo: a synthetic volume, two training ranks, a few minutes.
    Run the same command again after a failure: finished work is used, not repeated.
    Ctrl-C stops the run and everything that it started.
    """
    console = PlainConsole()
    if not dry_run and (rates is not None or budget is not None):
        raise InputError("--rates and --budget-node-hours go with --dry-run")
    if budget is not None and not math.isfinite(budget):
        raise InputError(f"--budget-node-hours is {budget}; expected a number of node-hours")
    config = run_file(config, run_dir)
    settings = load_settings(config, overrides, site)
    folder = run_folder(run_dir, config)
    run = resolve(settings, folder)
    found = check(run, told=OF_THE_MACHINE if dry_run else ())
    check_machine(run)
    if run.config.gates:
        from workflows.running.gates import check_gates  # Parsl takes a second to import

        check_gates(run)
    if dry_run:
        print_run_file(config, console)
        _plan(run, console, found, rates, budget, verify)
        refuse_failed(found)
        raise typer.Exit(0)
    finished = None
    if not discard:
        from workflows.planning.discards import refuse_to_discard  # Parsl takes a second to import

        finished = refuse_to_discard(run)
    doubtful = warnings_of([each for each in found if each.what not in MENDED_BY_START])
    raise typer.Exit(work(run, config, console, doubtful, verify, quiet, discard, yes, finished))


def _plan(
    run: Run,
    console: Console,
    found: list[Found],
    rates: Path | None,
    budget: float | None,
    verify: bool,
) -> None:
    """Print the plan of a run, with its costs by its own finished tiles, or by the rates of another run."""
    from workflows.planning.dry_run import print_plan
    from workflows.planning.rates import measure, read_rates

    print_plan(run, console, found, read_rates(rates, run) if rates else measure(run), budget, verify)


def main() -> None:
    """Entry point of the `ffn-pipeline` command."""
    # where the disk is full, the one line about it must not drown in those of loggers that cannot write
    logging.raiseExceptions = False
    start(full_pipeline)


if __name__ == "__main__":
    main()
