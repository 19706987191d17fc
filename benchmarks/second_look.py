"""What a finished run would gain by a second look at its blanks, and by filling them along the image.

    python benchmarks/second_look.py runs/fib25

Floods once more, in one piece, what the run's segmentation leaves blank in its evaluation box, from seeds in
the middle of the gaps and with smaller objects allowed; each way is scored beside the run as it is. `image`
fills blanks by a watershed of the image from the segments, where `filled` takes the nearest segment. The last
line is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import edt
import numpy as np
import typer
from rich.console import Console
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from pipeline.errors import InputError
from pipeline.evaluation.conventions import BoxCounts, count_box, score
from pipeline.evaluation.stage import evaluation_box, open_segmentation
from pipeline.geometry import Box, Tile, Triple
from pipeline.inference.canvas import Canvas, Segment
from pipeline.inference.engines import Engine
from pipeline.inference.pinning import pinned
from pipeline.inference.segmenter import engine_for
from pipeline.inference.tile_input import block_with_context, mirrored, read_input
from pipeline.machine.processor import processor
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import read_config
from pipeline.volumes import open_image, open_labels
from workflows.command_line import start

WAYS: tuple[tuple[Triple, int], ...] = (((8, 8, 8), 1000), ((8, 8, 8), 200), ((4, 4, 4), 500))
"""Steps of the FOV, and the fewest voxels of an object."""
GAP_VOXELS = 2
"""How far from all segments a seed is at least."""
APART_VOXELS = 3
"""How far seeds are from each other."""


def benchmark(run_dir: Annotated[Path, typer.Argument(help="A finished run that is scored.")]) -> None:
    """Print the scores of each way, and all figures as JSON."""
    run = pinned(resolve(read_config(run_dir / "config.yaml"), run_dir))
    box = evaluation_box(run)
    truth = open_labels(run).read(box)
    inside, labels = _segmentation(run, box)
    scored = box.slices(inside.start)
    rows: list[dict[str, Any]] = [{"way": "as it is", **_figures(count_box(labels[scored], truth))}]
    rows.append({"way": "image", **_figures(_filled_by_image(run, box, labels[scored], truth))})
    for deltas, least in WAYS:
        found, calls, objects = _second_look(run, inside, labels, deltas, least)
        way = f"steps of {deltas[0]}, {least} voxels"
        figures = _figures(count_box(found[scored], truth))
        rows.append({"way": way, "calls": calls, "objects": objects, **figures})
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for row in rows:
        console.print("  ".join(f"{name} {value}" for name, value in row.items()))
    print(json.dumps({"processor": processor(), "rows": rows}))


def _segmentation(run: Run, box: Box) -> tuple[Box, np.ndarray]:
    """What is segmented around `box` and its ids, renumbered from 1 on, int32."""
    volume = open_segmentation(run)
    inside = box.grow(run.config.network.fov) & run.inference_box
    _, ids = np.unique(np.concatenate([[0], volume.read(inside).ravel()]), return_inverse=True)
    return inside, ids[1:].reshape(inside.shape).astype(np.int32)


def _filled_by_image(run: Run, box: Box, labels: np.ndarray, truth: np.ndarray) -> BoxCounts:
    dark = -open_image(run).read(box).astype(np.float32)
    return BoxCounts.count(truth, labels, watershed(dark, labels.astype(np.int32)).astype(labels.dtype))


def _second_look(
    run: Run, inside: Box, labels: np.ndarray, deltas: Triple, least: int
) -> tuple[np.ndarray, int, int]:
    """The ids with those of what was found, the calls it took, and how many objects were found."""
    tile = Tile(0, inside, inside)
    block = block_with_context(run, tile)
    settings = run.config.inference.model_copy(update={"min_segment_voxels": least})
    mean, stddev = run.normalisation
    image = (read_input(run, tile).image.astype(np.float32) - mean) / stddev
    canvas = Canvas(image, run.config.network.fov, deltas, settings)
    canvas.segmentation = mirrored(labels, inside, block)
    known = int(labels.max())
    canvas.segments = [Segment(i, 0, (0, 0, 0), 0) for i in range(1, known + 1)]
    fovs = np.empty((1, *run.config.network.fov, 2), np.float32)
    _answer(canvas, list(_gaps(canvas.segmentation)), fovs, _engine(run))
    found = np.maximum(canvas.segmentation[inside.slices(block.start)], 0)
    return found, canvas.calls, len(canvas.segments) - known


def _gaps(segmentation: np.ndarray) -> Iterator[Triple]:
    """The middles of what is blank, the widest first."""
    distance = edt.edt(segmentation <= 0, black_border=False, parallel=1)
    distance += 1e-4 * np.random.RandomState(42).random_sample(distance.shape)
    peaks = peak_local_max(
        distance, min_distance=APART_VOXELS, threshold_abs=GAP_VOXELS, exclude_border=False
    )
    order = sorted(((z, y, x) for z, y, x in peaks.tolist()), key=lambda peak: -distance[peak])
    yield from order


def _answer(canvas: Canvas, seeds: list[Triple], fovs: np.ndarray, engine: Engine) -> None:
    requests = canvas.segment(seeds, fovs[0])
    with suppress(StopIteration):
        next(requests)
        while True:
            requests.send(engine.predict(fovs)[0, ..., 0])


def _engine(run: Run) -> Engine:
    if not run.model_file.exists():
        raise InputError(f"{run.model_file} is missing: the run is not finished")
    return engine_for(run, Artifact(str(run.model_file), ""))


def _figures(counts: BoxCounts) -> dict[str, Any]:
    scores = score(counts)
    found: dict[str, Any] = {"coverage": round(scores["coverage"], 4)}
    for name in ("filled", "both_foreground"):
        figures = [scores[name][key] for key in ("are", "voi_split", "voi_merge")]
        found[name] = [round(figure, 4) for figure in figures]
    return found


def main() -> None:
    """Entry point of the script."""
    start(benchmark)


if __name__ == "__main__":
    main()
