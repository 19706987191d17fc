"""What a user reads before a run (the dry run) and after it (the summary, or the failures)."""

from __future__ import annotations

import json
from pathlib import Path

from parsl.dataflow.errors import PropagatedException
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError
from pipeline.plan import plan
from pipeline.run_folder import Run
from workflows.stages import Stage

CONVENTIONS = {
    "gt_foreground": "every labelled voxel; unsegmented ones count as one segment",
    "filled": "unsegmented voxels take the nearest segment",
    "both_foreground": "only voxels that are labelled and segmented",
}


def print_plan(run: Run, console: Console) -> None:
    """Say what would run, how much work it is and where each result goes."""
    config, estimate = run.config, plan(run)
    table = Table(box=None, pad_edge=False, title="What would run", title_justify="left")
    table.add_column("stage")
    table.add_column("work")
    table.add_column("result")
    if run.uses_phantom:
        z, y, x = config.data.phantom.shape
        table.add_row("phantom", f"{z} x {y} x {x} voxels", _relative(run, run.phantom_file))
    if config.trains:
        t = config.training
        table.add_row("sample", f"coordinates in {t.box}", _relative(run, run.coordinates_file))
        ranks = f"{t.ranks} ranks of {t.threads_per_rank} thread(s), {t.fovs:,} FOVs"
        table.add_row("train", ranks, _relative(run, run.model_file))
    else:
        table.add_row("import network", str(config.network.checkpoint), _relative(run, run.model_file))
    grid = " x ".join(str(n) for n in estimate.tile_grid)
    table.add_row(
        "segment",
        f"{estimate.tiles} tiles ({grid}) over {run.inference_box}; "
        f"{estimate.overlap_factor:.2f} times its voxels, about {estimate.network_calls:,} network calls",
        "tiles/",
    )
    table.add_row("compare, merge", f"{estimate.tiles} tasks, then one", "tiles/reconciliation/")
    table.add_row("write", "Neuroglancer precomputed uint64", _relative(run, run.segmentation_folder))
    if config.evaluation.box is not None:
        table.add_row("count, score", f"in {config.evaluation.box}", _relative(run, run.metrics_file))
    console.print(table, soft_wrap=True)
    network = config.network
    console.print(
        f"\nrun folder  {run.folder}"
        f"\nsite        {config.site.name}: {config.site.workers} worker(s) of "
        f"{config.site.threads_per_worker} thread(s)"
        f"\nnetwork     FOV {list(network.fov)}, deltas {list(config.inference_deltas)}, depth "
        f"{network.depth}, {network.features} features: {estimate.flops_per_call / 1e9:.1f} GFLOP a call, "
        f"{estimate.flops_per_call * estimate.network_calls / 1e12:.1f} TFLOP in all"
        f"\ndisk        at most {estimate.bytes_on_disk / 1e9:.2f} GB"
        "\nNothing was written: this was a dry run.",
        highlight=False,
        soft_wrap=True,
    )


def print_summary(run: Run, console: Console) -> None:
    """Scores with their conventions, where the volume is, and how to look at it."""
    if run.config.evaluation.box is not None:
        _print_scores(run, console)
    folder = run.segmentation_folder
    console.print(
        f"segmentation  precomputed://file://{folder}"
        f'\nlook at it    python -c "from cloudvolume import CloudVolume as V; '
        f"V('precomputed://file://{folder}')[:].viewer()\""
        f"\neverything    {run.folder}",
        highlight=False,
        soft_wrap=True,
    )


def _print_scores(run: Run, console: Console) -> None:
    metrics = json.loads(run.metrics_file.read_text())
    table = Table(title=f"Scores in {run.config.evaluation.box}", title_justify="left")
    columns = {"ARE": "are", "precision": "precision", "recall": "recall"}
    columns |= {"VOI split": "voi_split", "VOI merge": "voi_merge"}
    table.add_column("convention")
    for name in columns:
        table.add_column(name, justify="right")
    table.add_column("which voxels")
    for convention, meaning in CONVENTIONS.items():
        values = [metrics[convention][key] for key in columns.values()]
        cells = ["-" if value is None else f"{value:.4f}" for value in values]
        table.add_row(convention, *cells, meaning)
    console.print(table)
    console.print(
        f"coverage      {metrics['coverage']:.4f} of the labelled voxels are segmented", highlight=False
    )


def print_failures(run: Run, stages: list[Stage], console: Console) -> None:
    """Each cause once, one line each; the tracebacks are in Parsl's logs."""
    causes: dict[str, int] = {}
    missing = 0
    for future in (future for stage in stages for future in stage.futures):
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


def _relative(run: Run, path: Path) -> str:
    return str(path.relative_to(run.folder))
