"""TileVolume: the finished tiles of a run side by side, while they are not yet one segmentation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.geometry import Box, Tile
from pipeline.results.artifacts import Artifact
from pipeline.results.tile_labels import read_labels
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.volumes import Frame, Volume, VoxelSize

IDS_OF_A_TILE = 10**10
"""Segment 12 of tile 3 is shown as 30000000012: a tile's own ids have 32 bits."""


class TileVolume(Volume):
    """The cores of those tiles of `run` that are finished, uint64 over its inference box; 0 elsewhere.

    Those that finish later are shown too, and those in `left_out` never.
    """

    def __init__(self, run: Run, left_out: Iterable[Tile], voxel_size_nm: VoxelSize | None) -> None:
        frame = Frame(run.inference_box.start, voxel_size_nm, is_placed=True)
        uri = str(run.folder / "tiles")
        super().__init__(uri, "tiles", run.inference_box.shape, np.dtype(np.uint64), frame)
        self._run = run
        self._left_out = frozenset(tile.index for tile in left_out)

    @property
    def stamp(self) -> str:
        return self.uri

    def _load(self, box: Box) -> np.ndarray:
        wanted = box.translate(self.frame.origin)
        labels = np.zeros(wanted.shape, np.uint64)
        for tile in self._run.grid.with_cores_in(wanted):
            path = self._run.segmented_file(tile)
            if tile.index not in self._left_out and is_there(path):
                part = tile.core & wanted
                own = read_labels(tile, Artifact(str(path), ""), part).astype(np.uint64)
                own[own != 0] += np.uint64(tile.index * IDS_OF_A_TILE)
                labels[part.slices(wanted.start)] = own
        return labels
