"""How well networks flood patches of a box that they were not trained on; the last line is JSON.

    python benchmarks/held_out.py runs/demo --box 0:128,0:128,160:288
    python benchmarks/held_out.py runs/tuned --box 0:125,0:250,160:250 --network runs/fib25/model/ffn.h5

Draws patches of labelled voxels as the run's training does, floods each with the network of the run, and with
those given beside it, and prints accuracy, precision, recall and F1 as the training log has them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.inference.engines import Loading, load
from pipeline.inference.pinning import pinned
from pipeline.machine.processor import processor
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import read_config
from pipeline.training.held_out import held_out_scores
from workflows.command_line import start


def benchmark(
    run_dir: Annotated[Path, typer.Argument(help="A run whose network is trained.")],
    box: Annotated[str, typer.Option(metavar="z0:z1,y0:y1,x0:x1", help="Labelled voxels to flood in.")],
    network: Annotated[
        list[Path] | None, typer.Option(help="Another network of the same sizes; repeatable.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Patches to flood.")] = 500,
) -> None:
    """Print the scores of each network, and all of them as JSON."""
    run = pinned(resolve(read_config(run_dir / "config.yaml"), run_dir))
    rows = []
    for path in (run.model_file, *(network or [])):
        scores = score(run, path, Box.parse(box), examples)
        rows.append({"network": str(path), **scores})
        print("  ".join([str(path), *(f"{name} {value:.3f}" for name, value in scores.items())]), flush=True)
    print(json.dumps({"processor": processor(), "box": box, "examples": examples, "networks": rows}))


def score(run: Run, path: Path, box: Box, examples: int) -> dict[str, float]:
    """The scores of one network, with the run's engine. Raises InputError where there is none."""
    if not path.exists():
        raise InputError(f"{path} is missing: no network was trained or imported there")
    inference = run.inference
    one_at_a_time = Loading(
        Artifact(str(path), ""),
        run.config.network,
        inference.engine,
        inference.precision,
        1,
        run.config.site.threads_per_worker,
    )
    return held_out_scores(run, load(one_at_a_time).predict, box, examples)


def main() -> None:
    """Entry point of the script."""
    start(benchmark)


if __name__ == "__main__":
    main()
