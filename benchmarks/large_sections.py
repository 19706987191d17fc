"""What the tasks of an alignment need of memory and time where sections are large; the last line is JSON.

    python benchmarks/large_sections.py --side 20000
    python benchmarks/large_sections.py --side 20000 --tiles 1

Makes two sections of `side` pixels a side in `tiles` x `tiles` images that overlap by a tenth, and runs one
task of each stage, each in a process of its own: `peak_mib` is the most that it held at once, Python and
libraries included. Sections are compared every `grid` pixels: how many points there are decides the time and
no memory.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import tifffile
import typer
from scipy.ndimage import gaussian_filter

from pipeline import sections as science
from pipeline.machine.processor import processor
from pipeline.results.artifacts import Artifact
from pipeline.sections.stack import Stack, read_stack
from pipeline.sections.tiles import TileSection
from pipeline.settings.align_file import load_align_config
from workflows.command_line import start

CELL = 4
"""Pixels along a side of what is equally grey."""
MOVED = (9, -6)
"""Pixels by which the second section is moved."""
SETTINGS = """
tiles: {table: tiles.csv, voxel_size_nm: [40, 4, 4]}
alignment: {grid: %d, patch: 96}
volume: {block: [16, 2048, 2048], chunk: [16, 256, 256]}
"""

Row = dict[str, str | float]


def benchmark(
    side: Annotated[int, typer.Option(min=1000, help="Pixels along a side of a section.")] = 20_000,
    tiles: Annotated[int, typer.Option(min=1, help="Images along a side.")] = 3,
    grid: Annotated[int, typer.Option(min=32, help="Pixels between points that are compared.")] = 512,
) -> None:
    """Print peak memory and seconds of a task of each stage, and all figures as JSON."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        take(folder, side, tiles)
        (folder / "align.yaml").write_text(SETTINGS % grid)
        rows = measure(*read_stack(load_align_config(folder / "align.yaml"), folder / "run"))
    print(json.dumps({"processor": processor(), "side": side, "tiles": tiles, "grid": grid, "rows": rows}))


def take(folder: Path, side: int, tiles: int) -> None:
    """Two sections of blurred noise, the second moved, with some noise of its own in every image."""
    rng = np.random.default_rng(0)
    tissue = gaussian_filter(rng.normal(size=[side // CELL + 10] * 2).astype(np.float32), 3)
    grey = np.clip(128 + 40 * tissue / tissue.std(), 1, 255).astype(np.uint8)
    width = round(side / (tiles - 0.1 * (tiles - 1)))
    starts = [round(i * (side - width) / max(1, tiles - 1)) for i in range(tiles)]
    with open(folder / "tiles.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "section", "x", "y"])
        for z, (dy, dx) in enumerate([(0, 0), MOVED]):
            for y in starts:
                for x in starts:
                    name = f"z{z}_y{y}_x{x}.tif"
                    rows, columns = (np.arange(a + 10 + d, a + 10 + d + width) for a, d in ((y, dy), (x, dx)))
                    image = grey[np.ix_(rows // CELL, columns // CELL)]
                    noise = rng.integers(0, 20, image.shape, np.uint8)
                    tifffile.imwrite(folder / name, image // 2 + noise)
                    table.writerow([name, z, x, y])


def measure(stack: Stack, sections: dict[int, TileSection]) -> list[Row]:
    """A row for the first task of each stage."""
    rows: list[Row] = []

    def run(stage: str, function: Callable[..., Artifact], *arguments: object) -> Artifact:
        artifact, peak_mib, seconds = _alone(function, stack, *arguments)
        if stage not in [row["stage"] for row in rows]:
            rows.append({"stage": stage, "peak_mib": round(peak_mib), "seconds": round(seconds, 1)})
            print(f"{stage:8} {peak_mib:6.0f} MiB {seconds:7.1f} s", flush=True)
        return artifact

    montages = {}
    for z, section in sections.items():
        batches = science.batches(section, stack.config.montage)
        shifts = [run("shifts", science.find_shifts, section, *batch) for batch in enumerate(batches)]
        montages[z] = run("montage", science.make_montage, section, shifts)
    both = [
        science.Montaged(one, montages[z], run("overview", science.make_overview, one, montages[z]))
        for z, one in sections.items()
    ]
    pair = run("match", science.match_sections, *both)
    placed = run("place", science.place_sections, [pair])
    group = run("relax", science.relax_group, stack.groups[0], placed, [pair])
    _alone(science.create_aligned, stack)
    blocks = science.blocks(stack)
    parts = {z: (section, montages[z]) for z, section in sections.items()}
    run("render", science.render_block, blocks[len(blocks) // 2], parts, placed, {0: group})
    return rows


def _alone(function: Callable[..., Artifact], *arguments: object) -> tuple[Artifact, float, float]:
    """What a function gives in a process of its own, the MiB that this took at most, and the seconds."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_measured, function, *arguments).result()


def _measured(function: Callable[..., Artifact], *arguments: object) -> tuple[Artifact, float, float]:
    started = time.monotonic()
    artifact = function(*arguments)
    seconds = time.monotonic() - started
    status = Path("/proc/self/status").read_text()
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return artifact, int(peak_kib) / 1024, seconds


def main() -> None:
    """Entry point of the script."""
    start(benchmark)


if __name__ == "__main__":
    main()
