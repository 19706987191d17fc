"""What the summary of a run says of its scores."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from pipeline.evaluation.conventions import CONVENTIONS
from pipeline.evaluation.trust import doubts
from pipeline.run_folder import Run
from workflows.output import say, whole
from workflows.scores_as_text import COLUMNS, lines_beside


def print_scores_of_run(run: Run, console: Console) -> None:
    """The scores by each convention, what they are of, the error to look at first, and what is doubtful."""
    metrics = json.loads(run.metrics_file.read_text())
    table = Table(box=None, pad_edge=False)
    table.add_column("scores by convention")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    scored_too = {"": metrics}
    for name, of in (("uncorrected", ", uncorrected"), ("agglomerated", ", agglomerated")):
        scored_too[of] = metrics.get(name, {})
    for of, scored in scored_too.items():
        for convention in CONVENTIONS if scored else ():
            values = [scored[convention][key] for key in COLUMNS.values()]
            shown = ("-" if value is None else f"{value:.4f}" for value in values)
            table.add_row(f"{convention}{of}", *shown)
    console.print()
    console.print(whole(table), soft_wrap=True)
    console.print(
        f"scored        {run.config.evaluation.box}; VOI is in bits",
        *(f"{name}: {meaning}" for name, meaning in CONVENTIONS.items()),
        *lines_beside(metrics, metrics),
        *costliest(run),
        sep="\n",
        highlight=False,
        soft_wrap=True,
        style="dim",
    )
    say(console, *(f"WARNING: {doubt}" for doubt in doubts(metrics)), "")


def costliest(run: Run) -> list[str]:
    """How many errors there are, and the first one to look at."""
    found = json.loads(run.worst_file.read_text())
    if found["voi_bits"] is None:
        return ["errors        nobody can tell: no voxel that is scored is labelled"]
    if not found["worst"]:
        return ["errors        none"]
    first, listed = found["worst"][0], len(found["worst"])
    where = f" at {', '.join(map(str, first['point']))}" if first["point"] else ""
    bits = f"{first['bits']:.4f} of {found['voi_bits']:.4f} bits"
    return [
        f"errors        {found['errors']:,}; the costliest {listed} are in {run.worst_file.name}, with room "
        f"for what you find there in {run.verdicts_file.name}",
        f"the first     {first['what']}{where} (z, y, x), {bits}",
    ]
