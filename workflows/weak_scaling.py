"""Weak scaling: 1, 2, ... workers or nodes, each with the same share of work, and how long that takes.

    python workflows/weak_scaling.py --workers 1,2 --run-dir runs/weak \\
        --set network.checkpoint=runs/demo/model/ffn.h5

The work are real tiles through the run's own site, network and engine. One cube from the middle of the run's
volume is laid side by side as often as there are tiles, without overlap or mirroring, so that every tile is
the same work. On this machine, N workers and all that serves them have N times `site.threads_per_worker`
cores, and no more. What it writes: weak_scaling.json, weak_scaling.svg, and a run folder for each point.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError
from pipeline.results.artifacts import publishing
from pipeline.settings.resolve import resolve
from pipeline.synthetic.repeated_cube import middle_cube
from pipeline.wording import counted
from site_configs.described import LOCAL
from workflows import completion
from workflows.command_line import (
    QuietOption,
    SetOption,
    SiteOption,
    listed,
    load_settings,
    print_run_file,
    run_file,
    run_folder,
    start,
)
from workflows.output import PlainConsole, whole
from workflows.studies.scaling_chart import chart
from workflows.studies.scaling_point import Point, measure_point, require_cores


def weak_scaling(
    config: Annotated[
        Path | None,
        typer.Option(
            help="The run file whose network, engine and site are measured (default: the demo). One that is "
            "not there by this name may be one that comes with the program.",
            autocompletion=completion.run_file,
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="The folder of all points (default: runs/ and the run file's name)."),
    ] = None,
    site: SiteOption = None,
    overrides: SetOption = None,
    workers: Annotated[
        str | None, typer.Option(metavar="1,2,...", help="Numbers of workers on one node (default: 1,2).")
    ] = None,
    nodes: Annotated[
        str | None, typer.Option(metavar="1,2,...", help="Numbers of nodes, of `site.workers` each, instead.")
    ] = None,
    share: Annotated[int, typer.Option(min=1, metavar="TILES", help="Tiles for each worker.")] = 2,
    side: Annotated[int, typer.Option(min=1, metavar="VOXELS", help="Edge of a tile.")] = 96,
    quiet: QuietOption = False,
) -> None:
    """Segment N times the work with N times the workers, and draw time and efficiency.

    The run file needs a network.checkpoint; its tiles, labels and training do not matter.
    """
    console = PlainConsole()
    if workers and nodes:
        raise InputError("give --workers or --nodes, not both")
    counts = listed("--nodes" if nodes else "--workers", nodes or workers or "1,2", int)
    config = run_file(config, None)
    settings = load_settings(config, overrides, site)
    if nodes and settings.site.name == LOCAL:
        raise InputError("--nodes: this machine is one node; give --workers, or the --site of several")
    folder = run_folder(run_dir, config).resolve()
    if settings.sections is not None:
        raise InputError("data.image is sections: tiles are measured on an image that is there; align first")
    if settings.trains:
        raise InputError("network.checkpoint is not set: name a trained network, such as RUN/model/ffn.h5")
    if settings.site.name == LOCAL:
        require_cores(max(counts) * settings.site.threads_per_worker)
    cube = middle_cube(resolve(settings, folder), side)
    points: list[Point] = []
    try:
        for count in counts:
            change = {"tile_nodes": count} if nodes else {"workers": count}
            # more jobs at once would be more workers than the point is said to have
            chosen = settings.site.model_copy(update={**change, "tile_jobs": 1})
            measured = measure_point(settings.model_copy(update={"site": chosen}), folder, cube, share)
            points.append(_with_efficiency(measured, points))
            if not quiet:
                console.print(_line(points[-1]), highlight=False)
    finally:  # what was measured is not measured again
        if points:
            print_run_file(config, console)
            _report(points, folder, "nodes" if nodes else "workers", console)


def _with_efficiency(point: Point, before: list[Point]) -> Point:
    first = before[0].seconds if before else point.seconds
    return Point(**{**asdict(point), "efficiency": round(first / point.seconds, 4)})


def _line(point: Point) -> str:
    return f"{counted(point.workers, 'worker')}, {counted(point.tiles, 'tile')}: {point.seconds:.1f} s"


def _report(points: list[Point], folder: Path, unit: str, console: Console) -> None:
    """The table, and beside each other in the folder the figures and the chart."""
    table = Table(box=None, pad_edge=False)
    for column in (unit, "tiles", "calls", "startup s", "time s", "efficiency", "load before"):
        table.add_column(column, justify="right")
    for p in points:
        count = p.nodes if unit == "nodes" else p.workers
        figures = (f"{p.startup_s:.1f}", f"{p.seconds:.1f}", f"{p.efficiency:.2f}", f"{p.load:.1f}")
        table.add_row(str(count), str(p.tiles), f"{p.calls:,}", *figures)
    console.print()
    console.print(whole(table), soft_wrap=True)
    rows = [(p.nodes if unit == "nodes" else p.workers, p.seconds, p.efficiency) for p in points]
    for name, text in (
        ("weak_scaling.json", json.dumps([asdict(p) for p in points], indent=1) + "\n"),
        ("weak_scaling.svg", chart(rows, unit)),
    ):
        with publishing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")
        console.print(str(folder / name), highlight=False, soft_wrap=True)


def main() -> None:
    """Entry point of the `ffn-weak-scaling` command."""
    start(weak_scaling)


if __name__ == "__main__":
    main()
