"""Coarser levels of the volume, block by block, each voxel with the id that most of those it covers have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.geometry import Box, Triple
from pipeline.reconciliation.levels import Level
from pipeline.reconciliation.write import scale_of, write_chunks
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.folders import place
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import Choice, open_volume

VERSION = 2


def coarse_block_target(
    run: Run, before: Level, level: Level, block: Box, finer: Sequence[Artifact]
) -> Target:
    """The list of the chunks of one block of a coarser level; arguments as for `downsample_block`."""
    name = "z{:06d}_y{:06d}_x{:06d}.json".format(*block.start)
    path = place(run.reconciliation_folder / "mips" / str(level.number), block.start, name)
    settings = {"block": str(block), "scale": scale_of(run, level), "finer": scale_of(run, before)}
    recipe = Recipe("downsample", VERSION, settings, {"finer": combined(finer)})
    return Target(path, recipe, parts=run.volume)


def downsample_block(
    run: Run, before: Level, level: Level, block: Box, finer: Sequence[Artifact]
) -> Artifact:
    """Write the chunks of one of `level_blocks` of `level`, from those of the level before it.

    `finer` are the blocks of that level that meet `level.source(block)`. Else as `write_block`.
    """

    def write(path: Path) -> None:
        labels = _coarse(run, before, level, block)
        path.write_text(json.dumps(write_chunks(run, level, block, labels), indent=1))

    return make(coarse_block_target(run, before, level, block, finer), write)


def _coarse(run: Run, before: Level, level: Level, block: Box) -> np.ndarray:
    """The ids of a block, uint64; of the finer level no more is in memory than makes one chunk."""
    volume = open_volume(run.volume_uri, Choice(level=before.number))
    labels = np.zeros(block.shape, np.uint64)
    for part in block.blocks(run.config.reconciliation.chunk, level.box.start):
        wanted = level.source(part)
        there = wanted & before.box
        # A window that the volume's face cuts has each of its voxels twice: none becomes more common by that.
        margins = [(a - b, d - c) for a, b, c, d in zip(there.start, wanted.start, there.stop, wanted.stop)]
        whole = np.pad(volume.read(there), margins, mode="edge")
        labels[part.slices(block.start)] = most_common(whole, level.factor)
    return labels


def most_common(labels: np.ndarray, factor: Triple) -> np.ndarray:
    """Of each window of `factor` voxels the id that most of them have.

    `labels` are uint64 (z, y, x), of whole windows. Of ids that equally many have it is the smallest, and 0
    only where no other has as many: thin things stay longer.
    """
    fz, fy, fx = factor
    views = [labels[k::fz, j::fy, i::fx] for k in range(fz) for j in range(fy) for i in range(fx)]
    best, most = views[0].copy(), np.zeros(views[0].shape, np.uint8)
    for view in views:
        count = sum((view == other).view(np.uint8) for other in views)
        wins = (count > most) | ((count == most) & (view != 0) & ((best == 0) | (view < best)))
        best[wins], most[wins] = view[wins], np.asarray(count)[wins]
    return best
