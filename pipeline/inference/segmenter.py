"""Segment one tile: image and network in, a file of labels out."""

from __future__ import annotations

import socket
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.config import Data
from pipeline.errors import InputError
from pipeline.geometry import Box, Tile, Triple, triple
from pipeline.inference.canvas import Canvas, NotFinite
from pipeline.inference.endurance.autosave import Autosave
from pipeline.inference.endurance.memory_share import losses, with_memory
from pipeline.inference.endurance.progress import Progress
from pipeline.inference.endurance.tile_checkpoint import TileCheckpoint
from pipeline.inference.engines import Engine, open_engine
from pipeline.inference.seed_mask import seed_mask
from pipeline.inference.seeds import find_seeds
from pipeline.results.artifacts import Artifact, Recipe, Target, open_anew, remove
from pipeline.results.hdf5_file import write_hdf5
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import open_image

VERSION = 1
CHUNK = 64
MOST_LOSSES = 2
"""After so many workers were killed over a tile it is segmented alone: memory may have run out."""

SEGMENT_ROW = np.dtype(
    [("id", "<u4"), ("voxels", "<u8"), ("z", "<i8"), ("y", "<i8"), ("x", "<i8"), ("calls", "<u4")]
)


def segment_tile(run: Run, tile: Tile, model: Artifact) -> Artifact:
    """Flood the tile's image with `model` and publish `run.tile_file(tile)`, unless it is there already.

    The HDF5 file holds `segmentation`, uint32 over the tile's box, 0 where nothing was found, and
    `segments`, one row for each id with its voxels in the box, its seed (z, y, x in the volume) and
    its network calls. Equal settings and inputs give equal bytes on one kind of CPU. `run.tile_log(tile)`
    is rewritten with one JSON object every few seconds. A tile that was stopped goes on from its
    checkpoint to the same bytes. Raises InputError.
    """
    target = tile_target(run, tile, model)

    def write(path: Path) -> None:
        with losses(run.tile_marker(tile)) as lost:
            try:
                with_memory(run.folder, lambda: _segment(run, tile, model, target, path), lost >= MOST_LOSSES)
            except MemoryError as error:
                raise InputError(
                    f"tile {tile.box}: out of memory on {socket.gethostname()}, with no other tile of the "
                    f"run at work there; inference.tile {run.config.inference.tile} is too large ({error})"
                ) from None

    artifact = make(target, write)
    with suppress(InputError):  # one that stays does no harm
        remove(run.tile_checkpoint_file(tile))
    return artifact


def _segment(run: Run, tile: Tile, model: Artifact, target: Target, path: Path) -> None:
    engine = engine_for(run, model)
    made_by = {"fingerprint": target.recipe.fingerprint, "engine": engine.name, "precision": engine.precision}
    checkpoint = TileCheckpoint(run.tile_checkpoint_file(tile), made_by)
    block = block_with_context(run, tile)
    try:
        canvas = _flood(run, tile, engine, checkpoint)
    except NotFinite as error:
        centre = triple([c + a for c, a in zip(error.centre, block.start)])
        raise InputError(
            f"tile {tile.box}: the network gives NaN or infinity with its FOV at {centre}, which tells "
            "nothing: its weights are too large, or the image there, after data.image_mean and image_stddev"
        ) from None
    attributes: dict[str, str | int] = {
        "box": str(tile.box),
        "calls": canvas.calls,
        "engine": engine.name,
        "precision": engine.precision,
    }
    _write(path, canvas, block, tile.box, attributes)


def engine_for(run: Run, model: Artifact) -> Engine:
    """The engine of the run's settings with the network loaded."""
    config = run.config
    return open_engine(model, config.network, config.inference, config.site.threads_per_worker)


def tile_target(run: Run, tile: Tile, model: Artifact) -> Target:
    """The file of one segmented tile."""
    config = run.config
    settings = {
        "tile": str(tile.box),
        "block": str(block_with_context(run, tile)),
        "network": config.network.model_dump(mode="json", exclude={"checkpoint"}),
        "inference": config.inference.model_dump(
            mode="json", exclude={"box", "tile", "overlap", "preset", "checkpoint_every_s"}
        ),
        "data": config.data.model_dump(mode="json", include=_data_settings(config.data)),
    }
    inputs = {"image": run.identities["image"], "model": model.sha256}
    if "mask" in run.identities:
        inputs["mask"] = run.identities["mask"]
    return Target(run.tile_file(tile), Recipe("infer", VERSION, settings, inputs))


def _data_settings(data: Data) -> set[str]:
    """What a tile depends on of the data section; a setting that is not used does not undo finished tiles."""
    return {"image_mean", "image_stddev"} | ({"tissue_range"} if data.tissue_range else set())


def block_with_context(run: Run, tile: Tile) -> Box:
    """The tile's box, with half a FOV added where it ends with the inference box if `reflect` is set.

    No FOV can be centred closer than half its width to the end of what the canvas holds; between tiles the
    overlaps make up for that, at the outer faces this context does.
    """
    if not run.config.inference.reflect:
        return tile.box
    outer = run.inference_box
    margin = [n // 2 for n in run.config.network.fov]
    start = [a - m * (a == o) for a, o, m in zip(tile.box.start, outer.start, margin)]
    stop = [b + m * (b == o) for b, o, m in zip(tile.box.stop, outer.stop, margin)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def mirrored(voxels: np.ndarray, inside: Box, block: Box) -> np.ndarray:
    """An array over `inside` made to cover `block`: voxels beyond its faces are its mirror image there."""
    widths = [(i - a, b - j) for a, i, j, b in zip(block.start, inside.start, inside.stop, block.stop)]
    return np.pad(voxels, widths, mode="reflect")


@dataclass(frozen=True)
class TileInput:
    """What a tile is segmented from."""

    image: np.ndarray
    """(z, y, x) over the tile's block, in the dtype of the volume."""
    seeds: list[Triple]
    """To start from, in order; they count from the block's first voxel."""
    missing_chunks: int
    """Chunks of the image that are not stored, of those that the block meets."""


def read_input(run: Run, tile: Tile) -> TileInput:
    """Read the image of the tile's block and find its seeds. Raises InputError."""
    volume, block = open_image(run), block_with_context(run, tile)
    inside = block & volume.box
    voxels, missing = volume.read(inside), volume.missing(inside)
    image = mirrored(voxels, inside, block)
    seeds = find_seeds(image)
    allowed = seed_mask(run, voxels, inside, missing)
    if allowed is not None:
        allowed = mirrored(allowed, inside, block)
        seeds = [seed for seed in seeds if allowed[seed]]
    return TileInput(image, seeds, len(missing))


def canvas_of(run: Run, image: np.ndarray) -> Canvas:
    """The canvas of a tile's block, nothing segmented yet."""
    config, (mean, stddev) = run.config, run.normalisation
    normalised = image.astype(np.float32)
    normalised -= mean
    normalised /= stddev
    return Canvas(normalised, config.network.fov, config.inference_deltas, config.inference)


def _flood(run: Run, tile: Tile, engine: Engine, checkpoint: TileCheckpoint) -> Canvas:
    """Segment the tile's block, going on from the checkpoint if it fits; returns the canvas."""
    config = run.config
    source = read_input(run, tile)
    canvas = canvas_of(run, source.image)
    state = checkpoint.load()
    if state is not None:
        canvas.restore(state)
    fovs = np.empty((1, *config.network.fov, 2), np.float32)
    log_path = run.tile_log(tile)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with (
        open_anew(log_path) as log,
        Autosave(canvas, checkpoint, config.inference.checkpoint_every_s) as autosave,
    ):
        progress = Progress(canvas, len(source.seeds), engine, log, source.missing_chunks)
        _answer(canvas.segment(source.seeds[canvas.seeds_done :], fovs[0]), fovs, engine, progress, autosave)
        progress.report()
    return canvas


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


def _write(path: Path, canvas: Canvas, block: Box, box: Box, attributes: dict[str, str | int]) -> None:
    """Write what lies in `box` of a canvas over `block`; both are boxes of the volume."""
    labels = canvas.segmentation[box.slices(block.start)].clip(min=0).astype(np.uint32)
    voxels = np.bincount(labels.ravel(), minlength=len(canvas.segments) + 1)
    rows = [
        (s.id, voxels[s.id], *(p + o for p, o in zip(s.seed, block.start)), s.calls)
        for s in canvas.segments
        if voxels[s.id]
    ]
    chunks = tuple(min(CHUNK, n) for n in labels.shape)

    def fill(file: h5py.File) -> None:
        file.create_dataset(
            "segmentation",
            data=labels,
            chunks=chunks,
            compression="gzip",
            compression_opts=1,
            track_times=False,
        )
        file.create_dataset("segments", data=np.array(rows, SEGMENT_ROW), track_times=False)
        file.attrs.update(attributes)

    write_hdf5(path, fill)
