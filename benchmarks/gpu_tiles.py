"""Real tiles on a GPU: one in every precision, and those of all of its workers at once."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.evaluation.conventions import count_box, score
from pipeline.ffn.weights import import_checkpoint
from pipeline.geometry import Box
from pipeline.inference.engines import choose, precisions_on_gpu
from pipeline.inference.pinning import pinned
from pipeline.inference.segmenter import engine_for, segment_tile
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config
from pipeline.volumes import open_labels

START_S = 300

Row = dict[str, Any]


@dataclass(frozen=True)
class Flooded:
    """What a worker did: digests of its tiles by index, network calls, seconds flooding and in network."""

    sha256: dict[int, str]
    calls: int
    flooding_s: float
    network_s: float


def precisions_on_one_tile(config: Path, changes: list[str], folder: Path) -> Iterator[Row]:
    """One tile over the box that is scored, by one worker: rates and scores in every precision.

    `differing` is the part of the voxels that lie in an object in this precision or in float32, not in both.
    """
    run = _run(config, changes, folder / "one")
    box = run.config.evaluation.box
    assert isinstance(box, Box), "the run file says what is scored"
    shape = f"inference.tile={list(box.shape)}"
    exact = None
    for precision in ("float32", *sorted({*_precisions(run)} - {"float32"})):
        settings = [*changes, f"inference.box={box}", shape, f"inference.precision={precision}"]
        run = _run(config, settings, folder / precision)
        model = import_checkpoint(run)
        row = _rates(run, *_flood_together([run], model, 1))
        with h5py.File(run.tile_file(run.tiles[0])) as file:
            found = file["segmentation"][:]
        exact = found if exact is None else exact
        scores = score(count_box(found, open_labels(run).read(box)))
        row["differing"] = float(np.mean((found > 0) != (exact > 0)))
        for convention in ("gt_foreground", "filled"):
            voi = f"{scores[convention]['voi_split']:.3f} + {scores[convention]['voi_merge']:.3f}"
            row |= {f"{convention} ARE": round(scores[convention]["are"], 4), f"{convention} VOI": voi}
        yield row


def workers_on_one_gpu(
    config: Path, changes: list[str], folder: Path, crowds: list[str], tiles: int
) -> Iterator[Row]:
    """All workers of a GPU at once, each with `tiles` tiles of its own, by how many they are.

    A crowd of `8x4` is eight workers that share a network in batches of four. A tile counts as an even part
    of the box. `same bytes` is whether each tile came out the same for every worker that had it.
    """
    for crowd in crowds:
        workers, _, batch = crowd.partition("x")
        run = _run(config, [*changes, f"inference.batch={batch or 1}"], folder / crowd)
        model = import_checkpoint(run)
        runs = [replace(run, folder=run.folder / str(worker)) for worker in range(int(workers))]
        seconds, flooded = _flood_together(runs, model, tiles)
        row = _rates(run, seconds, flooded)
        made = [(index, sha256) for worker in flooded for index, sha256 in worker.sha256.items()]
        row["same bytes"] = "yes" if len({*made}) == len({index for index, _ in made}) else "NO"
        yield {"workers": int(workers), "batch": int(batch or 1), **row}


def _run(config: Path, changes: list[str], folder: Path) -> Run:
    """The run file's run, with the engine and precision written out that it comes to on this machine."""
    run = resolve(load_config(config, changes), folder)
    asked = run.config.inference
    choice = choose(run.config.network, asked.engine, asked.precision)
    settings = asked.model_copy(update=choice._asdict())
    return replace(run, config=run.config.model_copy(update={"inference": settings}))


def _precisions(run: Run) -> tuple[str, ...]:
    engine = run.config.inference.engine
    return (engine in ("torch", "keras") and precisions_on_gpu(engine)) or (run.config.inference.precision,)


def _flood_together(runs: list[Run], model: Artifact, tiles: int) -> tuple[float, list[Flooded]]:
    """Each run's worker segments `tiles` tiles, beginning with another than the next; the seconds of all."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(len(runs) + 1)
    with ProcessPoolExecutor(len(runs), context, _keep, (ready,)) as pool:
        work = [pool.submit(_flood, run, model, place, tiles) for place, run in enumerate(runs)]
        ready.wait(START_S)
        began = time.perf_counter()
        flooded = [done.result() for done in work]
        return time.perf_counter() - began, flooded


_ready: Barrier


def _keep(ready: Barrier) -> None:
    global _ready
    _ready = ready


def _flood(run: Run, model: Artifact, place: int, tiles: int) -> Flooded:
    engine_for(pinned(run), model)
    _ready.wait(START_S)
    sha256, calls, flooding_s, network_s = {}, 0, 0.0, 0.0
    for number in range(place, place + tiles):
        tile = run.tiles[number % len(run.tiles)]
        sha256[tile.index] = segment_tile(run, tile, model).sha256
        log = json.loads(run.tile_log(tile).read_text().splitlines()[-1])
        calls += log["calls"]
        flooding_s += log["seconds"]
        network_s += log["seconds_in_network"]
    return Flooded(sha256, calls, flooding_s, network_s)


def _rates(run: Run, seconds: float, flooded: list[Flooded]) -> Row:
    """`voxels/s` of the box, each counted once, from reading the image to the finished files."""
    segmented = run.inference_box.size * sum(len(f.sha256) for f in flooded) / len(run.tiles)
    calls = sum(f.calls for f in flooded)
    return {
        "engine": run.config.inference.engine,
        "precision": run.config.inference.precision,
        "seconds": round(seconds, 2),
        "calls": calls,
        "FOV/s": calls / seconds,
        "network share": round(sum(f.network_s for f in flooded) / sum(f.flooding_s for f in flooded), 3),
        "voxels/s": segmented / seconds,
    }
