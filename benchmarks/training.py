"""How fast a network is trained, beside the same training by TensorFlow.

    python benchmarks/training.py --depth 5
    python benchmarks/training.py --depth 12 --fov 33 --deltas 8 --features 32 --fovs 192

The first trains a network as the demo's, the second one as the published.

Real Horovod ranks train on the demo's phantom, each on one core: one rank as the project does it, one by
TensorFlow in float32, given batches built in Python (`training.engine: keras`), and two ranks. They take
turns. A rate is that of all steps but the first ones, the figure the median of the turns. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import synthetic
from pipeline.machine.processor import cpu_flags, processor
from pipeline.results.artifacts import Artifact
from pipeline.results.log_lines import lines_of
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config
from pipeline.training.launch import train
from pipeline.training.sampling import sample_coordinates

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"
PLAIN_SHARE = 8
"""Of the FOVs the plain path sees so much fewer: it takes that much longer."""

REPORTS = 6
"""Lines of a training's log; the first is not counted."""

INSTRUCTIONS = ("amx_bf16", "avx512f", "avx2", "asimd")


@dataclass(frozen=True)
class Way:
    """One way to train."""

    name: str
    ranks: int
    fovs: int
    settings: dict[str, Any]


def ways(fovs: int) -> list[Way]:
    plain = {"engine": "keras", "precision": "float32"}
    return [
        Way("one rank", 1, fovs, {}),
        Way("plain", 1, fovs // PLAIN_SHARE, plain),
        Way("two ranks", 2, 2 * fovs, {}),
    ]


def measure(base: Run, coordinates: Artifact, way: Way, turn: int) -> tuple[float, float]:
    """FOVs a second of all ranks, and the share of their time in which they waited for input."""
    fovs_per_step = way.ranks * base.config.training.batch_size
    steps = way.fovs // fovs_per_step
    changes = {
        "ranks": way.ranks,
        "fovs": way.fovs,
        "report_every_steps": max(1, steps // REPORTS),
        "checkpoint_every_steps": max(1, steps),
        **way.settings,
    }
    training = base.config.training.model_copy(update=changes)
    folder = base.folder / f"{way.name.replace(' ', '_')}_{turn}"
    run = replace(base, folder=folder, config=base.config.model_copy(update={"training": training}))
    train(run, coordinates)
    lines = lines_of(run.training_log)[1:]
    step_s = statistics.fmean(line["step_s"] for line in lines)
    waited = statistics.fmean(line["input_wait_share"] for line in lines)
    return fovs_per_step / step_s, waited


def base_run(folder: Path, network: list[str]) -> tuple[Run, Artifact]:
    """The demo's training of a network of these sizes, on a phantom that all trainings share."""
    settings = ["training.threads_per_rank=1", "training.warmup_fovs=0", "training.decay_fovs=0", *network]
    demo = resolve(load_config(DEMO, settings), folder)
    synthetic.make_phantom(demo)
    volumes = [f"data.{name}={demo.phantom_file}:{name}" for name in ("image", "labels")]
    run = resolve(load_config(DEMO, [*settings, *volumes]), folder)
    return run, sample_coordinates(run)


def main() -> None:
    """Print a line a training, and all that it came to as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--fov", type=int, default=13, help="along every axis")
    parser.add_argument("--deltas", type=int, default=3, help="along every axis")
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--fovs", type=int, default=1200, help="of each rank, in each turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=4)
    asked = parser.parse_args()
    settings = [
        f"network.fov={[asked.fov] * 3}",
        f"network.deltas={[asked.deltas] * 3}",
        f"network.depth={asked.depth}",
        f"network.features={asked.features}",
        f"training.batch_size={asked.batch_size}",
    ]
    rates: dict[str, list[float]] = {}
    waits = []
    with tempfile.TemporaryDirectory() as folder:
        run, coordinates = base_run(Path(folder), settings)
        for turn in range(asked.turns):
            for way in ways(asked.fovs):
                rate, waited = measure(run, coordinates, way, turn)
                rates.setdefault(way.name, []).append(rate)
                if way.name != "plain":
                    waits.append(waited)
                print(
                    f"{way.name:9} {rate:8.2f} FOV/s, {waited:.1%} of the time waiting for input", flush=True
                )
    rate, plain, two = (statistics.median(rates[name]) for name in ("one rank", "plain", "two ranks"))
    print(
        json.dumps(
            {
                "fov_per_s": round(rate, 3),
                "plain_fov_per_s": round(plain, 3),
                "ratio": round(rate / plain, 2),
                "input_wait_share": round(statistics.median(waits), 4),
                "efficiency_2_ranks": round(two / (2 * rate), 3),
                "depth": asked.depth,
                "fov": asked.fov,
                "features": asked.features,
                "batch_size": run.config.training.batch_size,
                "processor": processor(),
                "instructions": next((name for name in INSTRUCTIONS if name in cpu_flags()), "none of these"),
            }
        )
    )


if __name__ == "__main__":
    main()
