"""How fast inference is and how well it segments, on one box; its last line is JSON.

    FFN_DATA=/data/fib25 python benchmarks/inference.py --box 0:124,0:250,0:250
    python benchmarks/inference.py --config configs/demo.yaml --set network.checkpoint=runs/demo/model/ffn.h5

The box is segmented, reconciled and scored by the project's own functions, one tile after the other, on
all cores of this process. The plain path is the same canvas with TensorFlow in float32, one FOV at a
time. By default it runs for `--plain-s` seconds in turn with ours, on the same tile; `ratio` is that of the
calls a second, and `plain_voxels_per_s` is ours divided by it: both paths need about the same calls.
With `--plain whole` it segments the whole box too, so that its scores can be compared.

    python benchmarks/inference.py --box 0:124,80:180,80:180 --sweep --set inference.tile=[256,256,256]

compares the presets, and what `--variant` adds, in one table.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from inference_rates import alternate
from inference_run import PLAIN, Outcome, make_run, segment
from inference_sweep import PRESET_VARIANTS, of_preset, print_table
from rich.console import Console

from pipeline.geometry import Box
from pipeline.machine import processor
from pipeline.run_folder import Run
from workflows.command_line import start

FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd")
"""Of CPUs, those on which figures depend, as Linux names them."""

FIB25 = Path(__file__).parents[1] / "configs" / "fib25.yaml"
FIB25_BOX = "0:124,0:250,0:250"

MakeRun = Callable[[str, list[str]], Run]
"""Given a folder's name and changes to the run file, the run."""


class Plain(str, Enum):
    """How much of the box the plain path segments."""

    NONE = "none"
    SAMPLE = "sample"
    WHOLE = "whole"


def benchmark(
    box: Annotated[
        str | None, typer.Option(help="z0:z1,y0:y1,x0:x1 (default: the run file's, of FIB-25 z 0 to 124).")
    ] = None,
    config: Annotated[Path, typer.Option(help="The run file; its network must be trained.")] = FIB25,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeatable.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="best, balanced or fast (default: as the run file).")
    ] = None,
    plain: Annotated[Plain, typer.Option(help="How much of the box the plain path segments.")] = Plain.SAMPLE,
    plain_s: Annotated[float, typer.Option(help="Seconds for comparing rates, of both paths.")] = 120.0,
    sweep: Annotated[bool, typer.Option("--sweep", help="Compare all presets, in one table.")] = False,
    variants: Annotated[
        list[str] | None,
        typer.Option("--variant", metavar="'KEY=VALUE ...'", help="Add a row to the table; repeatable."),
    ] = None,
) -> None:
    """Segment a box and say how fast that was, how much faster than plainly, and how good it is."""
    try:
        where = Box.parse(box or FIB25_BOX) if box or config == FIB25 else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    chosen = [*(of_preset(preset) if preset else []), *(changes or [])]
    with tempfile.TemporaryDirectory(prefix="inference-") as folder:
        make = partial(make_run, config, where, Path(folder))
        if sweep or variants:
            result = _sweep(make, [*(PRESET_VARIANTS if sweep else []), *(variants or [])], chosen)
        else:
            result = _measure(make, chosen, plain, plain_s)
    print(json.dumps(result))


def _measure(make: MakeRun, changes: list[str], plain: Plain, plain_s: float) -> dict[str, Any]:
    """The figures of the box with `changes` to the run file, beside those of the plain path."""
    run = make("run", changes)
    result = report(run, segment(run))
    plain_run = make("plain", [*changes, *PLAIN])
    if plain is Plain.WHOLE:
        result |= _against_whole(result, report(plain_run, segment(plain_run)))
    elif plain is Plain.SAMPLE:
        calls_per_s, ratio = alternate(run, plain_run, plain_s)
        result |= {
            "plain": f"{plain_s:.0f} s in turn with ours, extrapolated by calls",
            "plain_calls_per_s": round(calls_per_s, 3),
            "plain_voxels_per_s": round(result["voxels_per_s"] / ratio, 1),
            "ratio": round(ratio, 2),
        }
    return result


def _sweep(make: MakeRun, variants: list[str], changes: list[str]) -> dict[str, Any]:
    """The figures of each variant (changes to the run file, separated by spaces) by its name, and a table."""
    found: dict[str, Any] = {}
    for variant in variants:
        run = make(f"run{len(found)}", [*changes, *variant.split()])
        found[variant] = report(run, segment(run))
        print(json.dumps({variant: found[variant]}), flush=True)
    print_table(list(found.items()), Console(width=200))
    return found


def report(run: Run, outcome: Outcome) -> dict[str, Any]:
    """The figures of one run.

    `overlap_factor` is the redundant work, voxels segmented per voxel of the box; `rejected_share` the part
    of the calls that led to nothing.
    """
    return {
        "processor": processor.processor(),
        "computes_by": [name for name in FEATURES if name in processor.cpu_flags()],
        "box": str(run.inference_box),
        "deltas": list(run.config.inference_deltas),
        "engine": outcome.engine,
        "precision": outcome.precision,
        "seconds": round(outcome.seconds, 1),
        "voxels_per_s": round(outcome.voxels_per_s(run), 1),
        "calls": outcome.calls,
        "calls_per_s": round(outcome.calls / outcome.flooding_s, 3),
        "network_share": round(outcome.network_s / outcome.flooding_s, 4),
        "rejected_share": round(1 - outcome.kept_calls / outcome.calls, 4),
        "overlap_factor": round(run.grid.tiled_voxels / run.inference_box.size, 3),
        "peak_mib": round(outcome.peak_mib),
        "scores": outcome.scores,
    }


def _against_whole(ours: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    """The plain path's figures beside ours, and how far the scores are apart."""
    result = {
        "plain": "whole",
        "plain_calls_per_s": plain["calls_per_s"],
        "plain_voxels_per_s": plain["voxels_per_s"],
        "ratio": round(ours["voxels_per_s"] / plain["voxels_per_s"], 2),
        "plain_scores": plain["scores"],
    }
    if ours["scores"]:
        result["score_differences"] = {
            convention: {
                name: round(value - plain["scores"][convention][name], 5) for name, value in found.items()
            }
            for convention, found in ours["scores"].items()
            if isinstance(found, dict)
        }
    return result


if __name__ == "__main__":
    start(benchmark)
