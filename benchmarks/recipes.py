"""What each way of training comes to at equal FOVs, over several seeds; the last line is JSON.

    python benchmarks/recipes.py
    python benchmarks/recipes.py --config my.yaml --only usual --only adamw --seeds 1,2 --fovs 100000

Trains the demo's network (or that of another run file) from random weights by each recipe and seed, one run
on each core; floods patches of `inference.box` that training did not see; and segments and scores that box in
one pass. A recipe is some settings beside the usual ones. The same command again trains only what is missing;
what fails is told, and loses no other.
"""

from __future__ import annotations

import json
import os
import queue
import re
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError
from pipeline.machine.processor import processor
from pipeline.settings.run_file import read_config
from pipeline.training.metrics import SCORES
from workflows.command_line import listed, start

REPOSITORY = Path(__file__).parents[1]

FILLED = ("are", "voi_split", "voi_merge")

RECIPES: dict[str, tuple[str, ...]] = {
    "usual": (),
    "moves: fixed": ("training.fov_moves=fixed", "training.moves_reach=1"),
    "moves: neighbours": ("training.fov_moves=neighbours", "training.moves_reach=1"),
    "moves: fixed_window": ("training.fov_moves=fixed_window", "training.moves_reach=1"),
    "pad 0.5, threshold 0.6": ("training.pad_probability=0.5", "training.move_threshold=0.6"),
    "serial sections": (
        "training.augmentation.contrast=0.2",
        "training.augmentation.brightness=0.2",
        "training.augmentation.missing=0.02",
        "training.augmentation.shifted=0.02",
        "training.augmentation.blurred=0.02",
    ),
    "elastic": ("training.augmentation.elastic=2",),
    "layer normalisation": ("network.normalisation=layer",),
    "ema 0.99": ("training.ema=0.99",),
    "adamw": ("training.optimizer=adamw",),
    "sgd": ("training.optimizer=sgd", "training.momentum=0.9", "training.learning_rate=0.1"),
    "lamb": ("training.optimizer=lamb", "training.learning_rate=1e-2"),
    "cosine": ("training.schedule=cosine", "training.decay_fovs=0"),
    "cyclic": ("training.schedule=cyclic", "training.cycle_fovs=8000", "training.decay_fovs=8000"),
    "no clipping": ("training.clip_value=null",),
}


def benchmark(
    config: Annotated[str, typer.Option(help="The run file.")] = "demo",
    run_dir: Annotated[Path, typer.Option(help="Where the runs are kept.")] = Path("runs/recipes"),
    fovs: Annotated[int, typer.Option(min=1, help="Of each training.")] = 24_000,
    seeds: Annotated[str, typer.Option(metavar="1,2,...", help="Of the trainings.")] = "1,2,3",
    only: Annotated[list[str] | None, typer.Option(help="One of the recipes; repeatable.")] = None,
    examples: Annotated[int, typer.Option(min=1, help="Unseen patches to flood.")] = 300,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeatable.")
    ] = None,
) -> None:
    """Train, segment and score by each recipe; print a table, and all figures as JSON."""
    unknown = sorted(set(only or []) - set(RECIPES))
    if unknown:
        raise InputError(f"--only is {', '.join(unknown)}; the recipes are: {', '.join(RECIPES)}")
    shared = [*alike(fovs), *(changes or [])]
    points = [(name, seed) for seed in listed("--seeds", seeds, int) for name in only or RECIPES]
    cores = queue.SimpleQueue[int]()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def one(point: tuple[str, int]) -> dict[str, Any]:
        name, seed = point
        folder = run_dir / f"{_plain(name)}-seed{seed}"
        core = cores.get()
        try:
            found = run_whole(config, folder, [*shared, f"seed={seed}", *RECIPES[name]], examples, core)
        finally:  # or the others would wait for it without end
            cores.put(core)
        print(f"{name}, seed {seed}: {json.dumps(found)}", file=sys.stderr, flush=True)
        return {"recipe": name, "seed": seed, **found}

    with ThreadPoolExecutor(cores.qsize()) as pool:
        rows = list(pool.map(one, points))
    print_table(rows)
    print(json.dumps({"processor": processor(), "fovs": fovs, "rows": rows}))
    if any("failed" in row for row in rows):
        raise typer.Exit(1)


def alike(fovs: int) -> list[str]:
    """What all recipes have: one rank with the batch of the demo's two, at the rate that these have together,
    has the same gradient; a rate that rises over a twelfth of the FOVs and falls over two thirds; and images
    that are changed only where the recipe says so."""
    return [
        "training.ranks=1",
        "training.batch_size=8",
        "training.learning_rate=2e-3",
        f"training.fovs={fovs}",
        f"training.warmup_fovs={fovs // 12}",
        f"training.decay_fovs={fovs * 2 // 3}",
        *(f"training.augmentation.{name}=0" for name in ("contrast", "brightness", "shifted", "blurred")),
        "inference.passes=[]",
        "site.workers=1",
    ]


def run_whole(config: str, folder: Path, changes: list[str], examples: int, core: int) -> dict[str, Any]:
    """Scores of the run with these changes when it is finished, or how it `failed`."""
    settings = [word for change in changes for word in ("--set", change)]
    into = ("--config", config, "--run-dir", str(folder))
    done = _program(core, "workflows/full_pipeline.py", "--quiet", *into, *settings)
    if done.returncode != 0:
        return {"failed": _error(done.stderr)}
    box = read_config(folder / "config.yaml").inference.box
    unseen = (str(folder), "--box", str(box), "--examples", str(examples))
    flooded = _program(core, "benchmarks/held_out.py", *unseen)
    if flooded.returncode != 0:
        return {"failed": _error(flooded.stderr)}
    scores = json.loads((folder / "metrics.json").read_text())
    patches = json.loads(_last_line(flooded.stdout))["networks"][0]
    return {
        **{name: patches[name] for name in SCORES},
        "coverage": scores["coverage"],
        **{name: scores["filled"][name] for name in FILLED},
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """One line a recipe: mean and standard deviation over the seeds that ended, and how many did not."""
    table = Table(box=None, pad_edge=False)
    columns = ("accuracy", "f1", "coverage", *FILLED)
    for column in ("recipe", *columns, "failed"):
        table.add_column(column, justify="left" if column == "recipe" else "right", no_wrap=True)
    for name in dict.fromkeys(row["recipe"] for row in rows):
        own = [row for row in rows if row["recipe"] == name]
        ended = [row for row in own if "failed" not in row]
        cells = [_spread([row[column] for row in ended if row[column] is not None]) for column in columns]
        table.add_row(name, *cells, str(len(own) - len(ended) or ""))
    console = Console(markup=False, highlight=False)
    console.width = max(console.width, 140)
    console.print(table)


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.3f}"


def _program(core: int, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """On that core alone: two runs that know nothing of each other would take the same."""
    command = ["taskset", "-c", str(core), sys.executable, str(REPOSITORY / name), *words]
    return subprocess.run(command, capture_output=True, text=True)


def _error(text: str) -> str:
    lines = text.splitlines()
    return next((line for line in lines if line.startswith("error")), _last_line(text))


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no word")


def _plain(name: str) -> str:
    """As the name of a folder."""
    return re.sub(r"[^a-z0-9.]+", "-", name)


def main() -> None:
    """Entry point of the script."""
    start(benchmark)


if __name__ == "__main__":
    main()
