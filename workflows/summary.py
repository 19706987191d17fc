"""What a user reads after a run: the scores and where the volume is, or what failed and why."""

from __future__ import annotations

import json
import sys

from parsl.dataflow.errors import PropagatedException
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError
from pipeline.run_folder import Run
from workflows.stages import Stage

CONVENTIONS = {
    "gt_foreground": "every voxel; the unsegmented count as one segment",
    "filled": "unsegmented voxels take the nearest segment",
    "both_foreground": "voxels that are both labelled and segmented",
}


def print_summary(run: Run, console: Console) -> None:
    """Scores with their conventions, where the volume is, and how to look at it."""
    if run.config.evaluation.box is not None:
        _print_scores(run, console)
    folder = run.segmentation_folder
    console.print(
        f"segmentation  precomputed://file://{folder}"
        f'\nlook at it    {sys.executable} -c "from cloudvolume import CloudVolume as V; '
        f"V('precomputed://file://{folder}')[:].viewer()\""
        f"\neverything    {run.folder}",
        highlight=False,
        soft_wrap=True,
    )


def _print_scores(run: Run, console: Console) -> None:
    metrics = json.loads(run.metrics_file.read_text())
    columns = {"ARE": "are", "precision": "precision", "recall": "recall"}
    columns |= {"VOI split": "voi_split", "VOI merge": "voi_merge"}
    table = Table(box=None, pad_edge=False)
    table.add_column("scores by convention")
    for name in columns:
        table.add_column(name, justify="right")
    for convention in CONVENTIONS:
        values = [metrics[convention][key] for key in columns.values()]
        table.add_row(convention, *("-" if value is None else f"{value:.4f}" for value in values))
    console.print()
    console.print(table)
    console.print(
        f"coverage {metrics['coverage']:.4f} of {run.config.evaluation.box}; VOI in bits",
        *(f"{name}: {meaning}" for name, meaning in CONVENTIONS.items()),
        sep="\n",
        highlight=False,
        soft_wrap=True,
        style="dim",
    )
    console.print()


def print_failures(run: Run, stages: list[Stage], console: Console) -> None:
    """Each cause once, one line each; the tracebacks are in Parsl's logs."""
    causes: dict[str, int] = {}
    missing = 0
    for future in (future for stage in stages for future in stage.tasks):
        error = future.exception()
        if error is None:
            continue
        missing += 1
        if not isinstance(error, PropagatedException):
            line = one_line(error)
            causes[line] = causes.get(line, 0) + 1
    for line, count in causes.items():
        console.print(
            f"error: {line}" + (f" ({count} tasks)" if count > 1 else ""), highlight=False, soft_wrap=True
        )
    console.print(
        f"{missing} task(s) are missing; what is finished is kept. Logs: {run.logs_folder}. "
        "Run the same command again to go on.",
        highlight=False,
        soft_wrap=True,
    )


def one_line(error: BaseException) -> str:
    """An input error's own message; any other error with its type in front."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
