"""A study of training: one command trains its points, and makes a figure, a table and a JSON of them.

    python workflows/study.py strong-scaling --ranks 1,2 --run-dir runs/studies

Every point is a training of the run file's network, varied in what the study looks at, in a run folder of its
own below `points`. Run the same command again after a failure: what is made already is not made again,
whichever study has made it.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from enum import Enum
from typing import Annotated, Any

import typer

from pipeline.checkup.before_run import BEYOND_TRAINING, check, warnings_of
from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from site_configs import check as check_machine
from workflows import completion
from workflows.command_line import (
    QuietOption,
    SetOption,
    SiteOption,
    listed,
    load_settings,
    print_run_file,
    run_file,
    start,
)
from workflows.output import PlainConsole
from workflows.studies.chain import StudyChain
from workflows.studies.design import Sizes
from workflows.studies.designs import DESIGNS
from workflows.studies.point import make_point
from workflows.studies.results import Results
from workflows.studies.search import FOVS as SEARCH_FOVS
from workflows.studies.search import NAME, TRIALS, Space
from workflows.studies.search_chain import SearchChain, make_search

Kind = Enum("Kind", {name: name for name in (*DESIGNS, NAME)}, type=str)  # type: ignore[misc]
PRECISIONS = ("float32", "mixed_bfloat16")


def study(
    kind: Annotated[Kind, typer.Argument(metavar="STUDY", help="Which study.")],
    config: Annotated[
        Path | None,
        typer.Option(
            help="The run file whose training is varied (default: the demo). One that is not there by "
            "this name may be one that comes with the program.",
            autocompletion=completion.run_file,
        ),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="The folder of all studies (default: runs/studies).")
    ] = None,
    site: SiteOption = None,
    overrides: SetOption = None,
    fovs: Annotated[
        int | None, typer.Option(min=1, help="Fields of view of each training (default: few, for minutes).")
    ] = None,
    ranks: Annotated[
        str | None,
        typer.Option(metavar="1,2,...", help="Numbers of ranks: strong-scaling, learning-rate (1,2)."),
    ] = None,
    rates: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Learning rates: learning-rate (half, once, twice the usual)."),
    ] = None,
    batches: Annotated[
        str | None, typer.Option(metavar="1,2,...", help="Batch sizes of a rank: batch-size (1,2,4).")
    ] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="1,2,...", help="Threads of a rank: throughput (1,2).")
    ] = None,
    precisions: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="float32, mixed_bfloat16 or both: throughput (float32)."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Seeds, from that of the run file on: curves (3).")
    ] = None,
    f1: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="The F1 whose time is told: strong-scaling, batch-size (what all reached)."
        ),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW..HIGH or KEY=A,B",
            help="What search may choose; repeatable (a tenth to ten times the usual rate; batches 1,2,4).",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Settings that search tries, in all its starts (12).")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the points, and which are made already; of search how many trials."
        ),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Train the points of a study, and draw them.

    strong-scaling: FOV/s, efficiency, and relative time to an F1, by ranks.

    learning-rate: accuracy and F1 by rate and ranks, with the linear and the square root law.

    batch-size: F1 against wall time and against FOVs.

    curves: accuracy, F1, precision and recall, with one-sigma bands over seeds.

    throughput: FOV/s of one rank by threads, affinity and precision.

    search: the settings that reach the highest F1, by Optuna; trials that promise little are ended early.
    """
    console = PlainConsole()
    given = {
        "ranks": ranks and listed("--ranks", ranks, int),
        "rates": rates and listed("--rates", rates, float),
        "batches": batches and listed("--batches", batches, int),
        "threads": threads and listed("--threads", threads, int),
        "precisions": precisions and _precisions(precisions),
        "repeats": repeats,
        "f1": f1,
        "space": space,
        "trials": trials,
    }
    chosen = _chosen(kind.value, given)
    config = run_file(config, None)
    settings = load_settings(config, overrides, site)
    base = resolve(settings, run_dir or Path("runs") / "studies")
    if not base.config.trains:
        raise InputError("network.checkpoint is set: a study trains its networks; leave it out")
    if base.config.sections is not None:
        raise InputError("data.image is sections: a study trains on an image that is there; align them first")
    chain = _chain(kind.value, base, fovs, chosen)
    warnings = warnings_of(check(base, but=BEYOND_TRAINING))
    for point in chain.points:
        check_machine(point.run)
    print_run_file(config, console)
    if dry_run:
        for line in [*chain.foretold(), "Nothing was written: this was a dry run."]:
            console.print(line, highlight=False, soft_wrap=True)
        raise typer.Exit(0)
    from workflows.running.execution import work_on

    raise typer.Exit(work_on(chain, warnings, quiet))


def _chosen(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given. Raises InputError for one that a study has no use for."""
    chosen = {name: value for name, value in given.items() if value is not None}
    useful = {"space", "trials"} if kind == NAME else DESIGNS[kind].sizes
    for name in chosen:
        if name not in useful:
            known = ", ".join(f"--{each}" for each in sorted(useful))
            raise InputError(f"--{name} is of no use to the study {kind}; it takes {known} and --fovs")
    return chosen


def _chain(kind: str, base: Run, fovs: int | None, chosen: dict[str, Any]) -> StudyChain | SearchChain:
    """What a study works on, in the folder of its name. Raises InputError."""
    folder = base.folder / kind
    if kind == NAME:
        rate = base.config.training.learning_rate
        usual = [f"training.learning_rate={rate / 10:g}..{rate * 10:g}", "training.batch_size=1,2,4"]
        spaces = [Space.parse(text) for text in chosen.get("space", usual)]
        return make_search(base, folder, spaces, fovs or SEARCH_FOVS, chosen.get("trials", TRIALS))
    design = DESIGNS[kind]
    sizes = Sizes(fovs=fovs or design.fovs, **chosen)
    points = [make_point(base, base.folder / "points", sizes.fovs, each) for each in design.vary(base, sizes)]
    return StudyChain(base, points, Results(kind, design, sizes, folder))


def _precisions(text: str) -> list[str]:
    chosen = text.split(",")
    if not set(chosen) <= set(PRECISIONS) or len(set(chosen)) < len(chosen):
        raise InputError(f"--precisions {text!r}: expected {' or '.join(PRECISIONS)}, or both")
    return chosen


def main() -> None:
    """Entry point of the `ffn-study` command."""
    start(study)


if __name__ == "__main__":
    main()
