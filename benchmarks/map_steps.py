"""What each step from tiles to one volume gives and costs, alone and together; the last line is JSON.

    python benchmarks/map_steps.py --set network.checkpoint=runs/demo/model/ffn.h5
    FFN_DATA=/data/fib25 python benchmarks/map_steps.py --config fib25 --run-dir runs/steps

Runs the workflow with one pass over every tile and with two that agree, both with agglomeration: their
`metrics.json` has the scores before and after it. The rule of agglomeration is that of the run file, and
then, box by box, the one that the other labelled boxes choose: nothing is scored that a rule was chosen on.
The same command again goes on where it was stopped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.calibration import candidates, cross_validate, labelled_run, try_out
from pipeline.errors import InputError
from pipeline.machine.processor import processor
from pipeline.run_folder import Run
from pipeline.settings.run_file import read_config
from workflows.command_line import start

REPOSITORY = Path(__file__).parents[1]
WAYS = {
    "one pass": "inference.passes=[]",
    "two passes": "inference.passes=[{}, {seed_order: reverse}]",
}
CONVENTIONS = ("filled", "both_foreground")


def benchmark(
    config: Annotated[str, typer.Option(help="The run file; its network must be trained.")] = "demo",
    run_dir: Annotated[Path, typer.Option(help="Where the two runs are kept.")] = Path("runs/steps"),
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeatable.")
    ] = None,
    boxes: Annotated[int, typer.Option(min=2, help="Cut what is scored into so many boxes.")] = 4,
) -> None:
    """Segment with and without each step, and print a table and all figures as JSON."""
    rows = [
        row
        for name, way in WAYS.items()
        for row in measure(
            name, run_whole(config, run_dir / name.replace(" ", "_"), [*(changes or []), way]), boxes
        )
    ]
    print_table(rows)
    print(json.dumps({"processor": processor(), "rows": rows}))


def run_whole(config: str, folder: Path, changes: list[str]) -> Run:
    """The run with these changes and agglomeration, when it is finished. Raises InputError if it fails."""
    settings = [word for change in [*changes, "agglomeration.enabled=true"] for word in ("--set", change)]
    program = [sys.executable, str(REPOSITORY / "workflows" / "full_pipeline.py"), "--quiet"]
    done = subprocess.run([*program, "--config", config, "--run-dir", str(folder), *settings])
    if done.returncode != 0:
        raise InputError(
            f"run {folder} ended with exit code {done.returncode}; the same command goes on with it"
        )
    return Run(folder, read_config(folder / "config.yaml"))


def measure(name: str, run: Run, boxes: int) -> Iterator[dict[str, Any]]:
    """The rows of one run: before agglomeration, after it, and by rules chosen on other boxes."""
    said = json.loads((run.folder / "report.json").read_text())
    scores, calls = said["scores"], said["tiles"]["calls"]
    yield {"step": name, "calls": calls, **_figures(scores)}
    more = calls + said["agglomeration"]["calls"]
    yield {"step": f"{name}, agglomerated", "calls": more, **_figures(scores["agglomerated"])}
    labelled = labelled_run(run, boxes)
    if len(labelled.boxes) < 2:
        return
    held = cross_validate(labelled, try_out(labelled, candidates(run.config.agglomeration)))
    for part, voi in (("base", [one.base for one in held]), ("held out", [one.joined for one in held])):
        split, merge = ([bits or 0.0 for bits in side] for side in zip(*voi))
        yield {
            "step": f"{name}, mean of {len(held)} boxes, {part}",
            "calls": calls if part == "base" else more,
            "both_foreground": {"voi_split": sum(split) / len(split), "voi_merge": sum(merge) / len(merge)},
        }


def print_table(rows: list[dict[str, Any]]) -> None:
    """One line a row of `measure`."""
    table = Table(box=None, pad_edge=False)
    for column in ("step", "calls", "coverage", *(f"{name} ARE, VOI split + merge" for name in CONVENTIONS)):
        table.add_column(column, justify="left" if column == "step" else "right", no_wrap=True)
    for row in rows:
        coverage = f"{row['coverage']:.3f}" if "coverage" in row else ""
        table.add_row(row["step"], f"{row['calls']:,}", coverage, *(_cell(row.get(n)) for n in CONVENTIONS))
    console = Console(markup=False, highlight=False)
    console.width = max(console.width, 140)
    console.print(table)


def _figures(scores: dict[str, Any]) -> dict[str, Any]:
    return {name: scores[name] for name in (*CONVENTIONS, "coverage")}


def _cell(found: dict[str, float | None] | None) -> str:
    """Empty where nothing counts: a network that segments nothing has no scores in some conventions."""
    figures = [] if found is None else [found.get(name) for name in ("are", "voi_split", "voi_merge")]
    are, split, merge = figures or [None] * 3
    if split is None or merge is None:
        return ""
    return ("" if are is None else f"{are:.4f}, ") + f"{split:.3f} + {merge:.3f}"


def main() -> None:
    """Entry point of the script."""
    start(benchmark)


if __name__ == "__main__":
    main()
