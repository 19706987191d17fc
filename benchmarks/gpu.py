"""What a GPU does for this program: FOV/s by engine, precision and batch, real tiles, training.

    FFN_DATA=/data/fib25 python benchmarks/gpu.py --set network.checkpoint=ffn.h5

takes about ten minutes; `--sizes published` and `--tiles 0` leave parts out. Needs PyTorch, or Keras on JAX,
PyTorch or TensorFlow; what is not installed is left out. The network is measured for the published sizes and
those of the demo, with random weights. The tiles are those of the run file (FIB-25 by default), by the
project's own `segment_tile`, without Parsl: first those of all workers that share the GPU, then one tile over
the scored box in every precision, scored against the truth and compared to float32. Where there is no
TensorFlow the checkpoint has to be our own .h5 file: a run that imports the published one leaves it as
model/ffn.h5. Where there is no GPU the CPU is measured. Rows are printed as they come; the last line is JSON.
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path
from typing import Annotated, Any

import typer
from gpu_network import DEMO, PUBLISHED, network_rates, training_rates
from gpu_tiles import precisions_on_one_tile, workers_on_one_gpu

from pipeline.config import Network
from pipeline.machine import processor

FIB25 = Path(__file__).parents[1] / "configs" / "fib25.yaml"
NETWORKS = {"published": PUBLISHED, "demo": DEMO}
BACKENDS = ("jax", "torch", "tensorflow")

Row = dict[str, Any]


def benchmark(
    config: Annotated[
        Path, typer.Option(help="The run file of the tiles; its network must be trained.")
    ] = FIB25,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeatable.")
    ] = None,
    batches: Annotated[str, typer.Option(help="Batch sizes of the network.")] = "1,4,8,16",
    seconds: Annotated[float, typer.Option(help="For each figure of the network and of training.")] = 0.5,
    workers: Annotated[
        str, typer.Option(help="Workers on the GPU: 4, or 8x4 for eight that share batches of four.")
    ] = "1,4,8,8x4,16x8",
    tiles: Annotated[int, typer.Option(help="Tiles that each of them segments; 0: no tiles at all.")] = 1,
    sizes: Annotated[
        str, typer.Option(help="Of the network measured: demo, published, both or none.")
    ] = "both",
) -> None:
    """Print a table for each of: the network, training, many tiles by workers, one tile by precision."""
    found = {"machine": tell("machine", iter([machine()]))}
    sizes_of_batches = [int(n) for n in batches.split(",")]
    for size, network in NETWORKS.items():
        if sizes in (size, "both"):
            for name, rows in (
                ("network", _networks(network, sizes_of_batches, seconds)),
                ("training", _trainings(network, sizes_of_batches, seconds)),
            ):
                found[f"{name}, {size}"] = tell(f"{name}, {size}", rows)
    if tiles:
        with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
            where, wanted, crowds = Path(folder), changes or [], workers.split(",")
            found["workers"] = tell("workers", workers_on_one_gpu(config, wanted, where, crowds, tiles))
            found["one tile"] = tell("one tile", precisions_on_one_tile(config, wanted, where))
    print(json.dumps(found))


def tell(name: str, rows: Iterator[Row]) -> list[Row]:
    """Print rows of the same columns as a table in Markdown, each as soon as it is there; returns them."""
    print(f"\n{name}", flush=True)
    told: list[Row] = []
    for row in rows:
        if not told:
            print(_line(row), "|" + " --- |" * len(row), sep="\n")
        print(_line(map(_text, row.values())), flush=True)
        told.append(row)
    return told


def machine() -> Row:
    """What is measured: processor, GPUs, versions."""
    named = {}
    for package in ("torch", "nvidia-cudnn-cu13", "jax", "tensorflow", "tensorflow-cpu", "keras", "numpy"):
        with suppress(metadata.PackageNotFoundError):
            named[package] = metadata.version(package)
    return {"processor": processor.processor(), "python": platform.python_version(), **named}


def _networks(network: Network, batches: list[int], seconds: float) -> Iterator[Row]:
    """PyTorch's engine, then that of Keras on each of its backends that is installed."""
    if util.find_spec("torch"):
        yield from network_rates("torch", "torch", network, batches, seconds)
    for backend in filter(util.find_spec, BACKENDS):
        yield from network_rates("keras", backend, network, batches[-1:], seconds)


def _trainings(network: Network, batches: list[int], seconds: float) -> Iterator[Row]:
    for backend in filter(util.find_spec, BACKENDS):
        yield from training_rates(backend, network, [batches[0], batches[-1]], seconds)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    typer.run(benchmark)
