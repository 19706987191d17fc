"""Tile checkpoint: a canvas between two objects, from which its tile goes on as if never stopped."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.inference.canvas import CanvasState, Segment
from pipeline.results.artifacts import publishing
from pipeline.results.sealed_hdf5 import open_sealed, sealed_hdf5

CHUNK = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TileCheckpoint:
    """The checkpoint file of one tile, and what a canvas must be `made_by` to go on from it.

    The file is sealed HDF5: `segmentation`, int32 over the tile's block; `segments`, int64, a row of id,
    voxels, seed z, y, x and calls for each object; `made_by` and the rest of a CanvasState as attributes.
    """

    path: Path
    made_by: Mapping[str, str]

    def save(self, state: CanvasState) -> None:
        """Replace the checkpoint in one step; raises InputError when the file system refuses."""

        def fill(file: h5py.File) -> None:
            file.attrs.update(self.made_by, seeds_done=state.seeds_done, calls=state.calls)
            file.create_dataset(
                "segmentation",
                data=state.segmentation,
                chunks=tuple(min(CHUNK, n) for n in state.segmentation.shape),
                compression="gzip",
                compression_opts=1,
            )
            rows = [(s.id, s.voxels, *s.seed, s.calls) for s in state.segments]
            file["segments"] = np.array(rows, np.int64).reshape(-1, 6)

        content = sealed_hdf5(fill)
        with publishing(self.path) as temporary:
            temporary.write_bytes(content)

    def load(self) -> CanvasState | None:
        """The state saved last, or None if there is none, it is damaged, or made by something else.

        Raises Unreadable.
        """
        file = open_sealed(self.path)
        if file is None:
            return None
        with file:
            if any(file.attrs.get(name) != value for name, value in self.made_by.items()):
                log.warning("%s is of other settings, inputs or packages; its tile starts anew", self.path)
                return None
            return CanvasState(
                segmentation=file["segmentation"][()],
                segments=[
                    Segment(id_, voxels, (z, y, x), calls)
                    for id_, voxels, z, y, x, calls in file["segments"][()].tolist()
                ],
                seeds_done=int(file.attrs["seeds_done"]),
                calls=int(file.attrs["calls"]),
            )
