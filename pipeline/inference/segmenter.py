"""Segment one tile: image and network in, a file of labels out."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Tile, triple
from pipeline.inference.canvas import Canvas, NotFinite
from pipeline.inference.endurance.autosave import Autosave
from pipeline.inference.endurance.memory_share import losses, with_memory
from pipeline.inference.endurance.progress import Progress
from pipeline.inference.endurance.tile_checkpoint import TileCheckpoint
from pipeline.inference.engines import Engine, open_engine
from pipeline.inference.environment import environment_of
from pipeline.inference.pinning import pinned
from pipeline.inference.tile_file import write_tile
from pipeline.inference.tile_input import block_with_context, canvas_of, read_input
from pipeline.inference.tile_target import tile_target
from pipeline.results.artifacts import Artifact, open_anew, remove
from pipeline.results.log_lines import last_line
from pipeline.results.records import make
from pipeline.results.tile_labels import NOT_FINITE_AT
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run

MOST_LOSSES = 2
"""After so many workers were killed over a tile it is segmented alone: memory may have run out."""


def segment_tile(run: Run, tile: Tile, model: Artifact, image: Sequence[Artifact] = ()) -> Artifact:
    """Flood the tile's image with `model` and publish `run.tile_file(tile)`, unless it is there already.

    The HDF5 file holds `segmentation`, uint32 over the tile's box, 0 where nothing was found, and
    `segments`, one row for each id with its voxels in the box, its seed (z, y, x in the volume) and
    its network calls; its attribute `missing_voxels`, if there are any, counts those of the tile's core that
    the image lacks. Equal settings and inputs give equal bytes on one kind of CPU. `run.tile_log(tile)`
    is rewritten with one JSON object every few seconds. A tile that was stopped goes on from its
    checkpoint to the same bytes. `image` are the blocks of it that the tile reads, where the run makes it of
    sections. The engine is the one that the run's first worker pinned, which may be this
    one. Raises InputError, also where this machine does not have that engine, and where the network gives NaN
    or infinity; but of one that is only tried the file then says where, and holds no segment.
    """
    run = pinned(run)
    target = tile_target(run, tile, model, image)
    environment = environment_of(run.inference.engine, run.inference.precision)

    def write(path: Path) -> None:
        def segment() -> None:
            _segment(run, tile, model, made_by, path)

        made_by = {"fingerprint": target.recipe.fingerprint, "environment": json.dumps(environment)}
        with losses(run.tile_marker(tile)) as lost:
            try:
                with_memory(run.folder, segment, lost >= MOST_LOSSES)
            except MemoryError as error:
                raise InputError(
                    f"tile {tile.box}: out of memory on {socket.gethostname()}, with no other tile of the "
                    f"run at work there; inference.tile {run.config.inference.tile} "
                    f"is too large, set a smaller one ({error})"
                ) from None

    artifact = make(target, write, environment)
    with suppress(InputError):  # one that stays does no harm
        remove(run.tile_checkpoint_file(tile))
    return artifact


def _segment(run: Run, tile: Tile, model: Artifact, made_by: Mapping[str, str], path: Path) -> None:
    engine = engine_for(run, model)
    checkpoint = TileCheckpoint(run.tile_checkpoint_file(tile), made_by)
    block = block_with_context(run, tile)
    broken: dict[str, str] = {}
    try:
        canvas, missing_voxels = _flood(run, tile, engine, checkpoint)
    except NotFinite as error:
        centre = triple([c + a for c, a in zip(error.centre, block.start)])
        if run.tries is None:
            raise InputError(
                f"tile {tile.box}: the network gives NaN or infinity with its FOV at {centre}, which tells "
                f"nothing: {_too_large(engine.precision)}"
            ) from None
        # one of several, of which others may do: it has segmented nothing, and is not chosen
        canvas, missing_voxels = canvas_of(run, np.zeros(block.shape, np.float32)), 0
        broken = {NOT_FINITE_AT: str(centre)}
    attributes: dict[str, str | int] = {
        "box": str(tile.box),
        "calls": canvas.calls,
        "engine": engine.name,
        "precision": engine.precision,
        **broken,
    }
    if missing_voxels:
        attributes["missing_voxels"] = missing_voxels
    write_tile(path, canvas, block, tile.box, attributes)


def _too_large(precision: str) -> str:
    """What may have become infinite, where the network runs in `precision`."""
    if precision == "float16":
        return "float16 holds no number above 65504: set inference.precision to tensorfloat32"
    return "its weights are too large, or the image there, after data.image_mean and image_stddev"


def engine_for(run: Run, model: Artifact) -> Engine:
    """The engine of the run with the network loaded."""
    config = run.config
    return open_engine(model, config.network, run.inference, config.site.threads_per_worker)


def _flood(run: Run, tile: Tile, engine: Engine, checkpoint: TileCheckpoint) -> tuple[Canvas, int]:
    """Segment the tile's block, going on from the checkpoint if it fits.

    Returns the canvas, and how many voxels of the tile's core the image lacks.
    """
    config = run.config
    source = read_input(run, tile)
    canvas = canvas_of(run, source.image)
    state = checkpoint.load()
    if state is not None:
        canvas.restore(state)
    fovs = np.empty((1, *config.network.fov, 2), np.float32)
    log_path, every_s = run.tile_log(tile), config.inference.checkpoint_every_s
    log_path.parent.mkdir(parents=True, exist_ok=True)
    before = Look()(last_line, log_path)  # one that cannot be read, as another user's, tells nothing
    with (
        open_anew(log_path) as log,
        Autosave(canvas, checkpoint, every_s) as autosave,
    ):
        progress = Progress(canvas, source, engine, config.site.threads_per_worker, log, before)
        progress.report()  # a job that ends before the next one hands on what `before` told
        _answer(canvas.segment(source.seeds[canvas.seeds_done :], fovs[0]), fovs, engine, progress, autosave)
        progress.report()
    return canvas, source.missing_voxels


def _answer(
    requests: Generator[None, np.ndarray, None],
    fovs: np.ndarray,
    engine: Engine,
    progress: Progress,
    autosave: Autosave,
) -> None:
    """Run the network for a canvas, whose requests are in `fovs`, until it has no more of them."""
    with suppress(StopIteration):
        next(requests)
        while True:
            started = time.perf_counter()
            updates = engine.predict(fovs)
            progress.called(time.perf_counter() - started)
            requests.send(updates[0, ..., 0])
            autosave.called()
