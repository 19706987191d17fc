"""Choose the rule by which agglomeration joins segments, on the labelled boxes of a finished run.

python workflows/calibrate.py runs/mine
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError
from workflows.command_line import start
from workflows.output import PlainConsole, whole

if TYPE_CHECKING:
    from pipeline.calibration import HeldOut
    from pipeline.config import Agglomeration


def calibrate(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The folder of the run.")],
    boxes: Annotated[
        int, typer.Option(min=2, help="Cut what is scored into so many boxes, or some more, all alike.")
    ] = 4,
) -> None:
    """Choose the rule by which agglomeration joins segments, on the labelled boxes of a finished run.

    Each box is scored under the rule that the other boxes choose, so the table is what the rule does where it
    has seen no labels. At last stands the rule that all boxes choose. Nothing in the run folder changes.
    """
    from pipeline.agglomerated import refuse_of_another
    from pipeline.calibration import candidates, choose, cross_validate, labelled_run, try_out
    from workflows.watching.status_view import read_run

    run, unreadable = read_run(folder)
    if unreadable is not None:
        raise InputError(unreadable)
    refuse_of_another(run)
    labelled, used = labelled_run(run, boxes), run.config.agglomeration
    if len(labelled.boxes) < 2:
        raise InputError(
            f"of {boxes} boxes {len(labelled.boxes)} have labels and segments; two must: score more of the "
            "volume"
        )
    tried = try_out(labelled, candidates(used))
    console = PlainConsole(highlight=False)
    console.print(whole(_table(cross_validate(labelled, tried))), soft_wrap=True)
    voxels = [part.counts.total_voxels for part in labelled.boxes]
    _print_choice(choose(tried, voxels).rule, used, int(labelled.edges["calls"].sum()), console)


def _table(held: list[HeldOut]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("box", "points", "split + merge", "as run", "held out"):
        table.add_column(name, no_wrap=True, justify="left" if name == "box" else "right")
    table.add_column("by the others' rule", no_wrap=True)
    for one in held:
        values = (_bits(one.base), _bits(one.as_run), _bits(one.joined))
        table.add_row(str(one.box.box), f"{one.box.points:,}", *values, _rule(one.rule))
    return table


def _print_choice(chosen: Agglomeration, used: Agglomeration, calls: int, console: Console) -> None:
    console.print("VOI is in bits, of what is both labelled and segmented. All boxes choose")
    for name in ("min_iou", "min_recovered", "max_deleted"):
        console.print(f"  --set agglomeration.{name}={getattr(chosen, name)}")
    if chosen.min_recovered == used.min_recovered:
        console.print("of min_recovered the least that can be tried: the run itself looked no further")
    else:
        console.print(
            f"with another min_recovered all points are flooded again, {calls:,} network calls here: a side "
            "whose first seed recovers less is given others"
        )


def _bits(voi: tuple[float | None, float | None]) -> str:
    return " + ".join(f"{part or 0:.3f}" for part in voi)


def _rule(rule: Agglomeration) -> str:
    return f"IoU {rule.min_iou}, recovered {rule.min_recovered}, deleted {rule.max_deleted}"


def main() -> None:
    """Entry point of the script."""
    start(calibrate)


if __name__ == "__main__":
    main()
