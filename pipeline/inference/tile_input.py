"""What a tile is segmented from: its image with context, its seeds, and the canvas for its objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.geometry import Box, Tile, Triple
from pipeline.inference.canvas import Canvas
from pipeline.inference.seed_mask import seed_mask
from pipeline.inference.seeds import find_seeds
from pipeline.run_folder import Run
from pipeline.volumes import open_image
from pipeline.volumes.absence import refuse_too_much, voxels_of
from pipeline.wording import counted


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
    missing_voxels: int
    """Voxels of the tile's core that lie in them: those of all tiles add up to those of the inference box."""


def read_input(run: Run, tile: Tile) -> TileInput:
    """Read the image of the tile's block and find its seeds.

    Raises InputError, also where so much of the image is missing here that, whatever other tiles find, it is
    too much of the inference box.
    """
    volume, block = open_image(run), block_with_context(run, tile)
    inside = block & volume.box
    missing = volume.missing(inside)
    missing_voxels, whole = voxels_of(missing, tile.core), run.inference_box
    what = f"tile {tile.box} of inference.box {whole} lacks {counted(missing_voxels, 'voxel')} of the image"
    refuse_too_much(missing_voxels / whole.size, what, volume, run.config.data)
    voxels = volume.read(inside)
    image = mirrored(voxels, inside, block)
    seeds = find_seeds(image)
    allowed = seed_mask(run, voxels, inside, missing)
    if allowed is not None:
        allowed = mirrored(allowed, inside, block)
        seeds = [seed for seed in seeds if allowed[seed]]
    if run.config.inference.seed_order == "reverse":
        seeds.reverse()
    return TileInput(image, seeds, len(missing), missing_voxels)


def canvas_of(run: Run, image: np.ndarray) -> Canvas:
    """The canvas of a tile's block, nothing segmented yet."""
    config, (mean, stddev) = run.config, run.normalisation
    normalised = image.astype(np.float32)
    normalised -= mean
    normalised /= stddev
    return Canvas(normalised, config.network.fov, config.inference_deltas, config.inference)
