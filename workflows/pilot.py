"""Segment one tile of a run, or a few, to learn how fast that goes before the rest is paid for.

    python workflows/pilot.py --config configs/fib25.yaml --run-dir runs/fib25

The tile is one of the run's own, made by its site's workers: nothing of it is done again. What was measured
is kept in the run folder, where `full_pipeline.py --dry-run` finds it.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from pipeline.checkup.before_run import check, warnings_of
from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact
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
    run_file,
    run_folder,
    start,
)
from workflows.output import PlainConsole


def pilot(
    config: ConfigOption = None,
    run_dir: RunDirOption = None,
    site: SiteOption = None,
    overrides: SetOption = None,
    tiles: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many tiles; they are spread over the volume.")
    ] = 1,
    discard: DiscardOption = False,
    quiet: QuietOption = False,
) -> None:
    """Segment one tile of a run, or N, and tell what the rest would cost.

    Take the options of the run itself. With as many tiles as workers the rate is that of workers who share
    a machine; one tile alone may go faster.
    """
    console = PlainConsole()
    config = run_file(config, run_dir)
    settings = load_settings(config, overrides, site)
    run = resolve(settings, run_folder(run_dir, config))
    chosen = replace(run, only=spread(len(run.grid), tiles))
    warnings = warnings_of(check(chosen))
    check_machine(run)
    _check_network(chosen)
    if not discard:
        from workflows.planning.discards import refuse_to_discard  # Parsl takes a second to import

        refuse_to_discard(chosen)
    raise typer.Exit(_run(run, chosen, config, console, warnings, quiet, discard))


def spread(tiles: int, count: int) -> frozenset[int]:
    """`count` of the indices 0..tiles-1, or all of them, evenly spread; a single one is the middle one."""
    count = min(tiles, count)
    return frozenset((2 * n + 1) * tiles // (2 * count) for n in range(count))


def _run(
    run: Run,
    chosen: Run,
    config: Path,
    console: Console,
    warnings: list[str],
    quiet: bool,
    discard: bool,
) -> int:
    from pipeline.inference.pinning import with_pin
    from workflows.planning.costs import print_costs
    from workflows.planning.explain import explain, tiles_segmented
    from workflows.planning.rates import measure
    from workflows.running.execution import work

    code = work(chosen, config, console, warnings, quiet=quiet, discard=discard)
    if code == 0:
        print_costs(run, measure(run), console, tiles_segmented(explain(with_pin(run))))
    return code


def _check_network(run: Run) -> None:
    """Raise InputError when the run would have to train its network first, and Unreadable."""
    from workflows.planning.explain import outcomes, refusals

    stages = outcomes(run)
    for refusal in refusals(stages):
        raise refusal
    until_there = [stage for stage in stages if stage.name in ("train", "try", "choose")]
    training = [task for stage in until_there for task in stage.tasks]
    if not all(isinstance(task, Artifact) for task in training):
        raise InputError(
            f"there is no network yet: {run.model_file} is made by the training of this run; start the run, "
            "stop it when the training is done, and try again, or name a network by "
            "--set network.checkpoint=OTHER_RUN/model/ffn.h5"
        )


def main() -> None:
    """Entry point of the `ffn-pilot` command."""
    start(pilot)


if __name__ == "__main__":
    main()
