"""Tile checkpoint: a canvas between two objects, from which its tile goes on as if never stopped."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.artifacts import publishing
from pipeline.inference.canvas import CanvasState, Segment

CHUNK = 64
USER_BLOCK = 512
"""Bytes that HDF5 leaves free at the start of a file: room for the checksum of all that follows it."""
CHECKSUM = hashlib.sha256().digest_size

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TileCheckpoint:
    """The checkpoint file of one tile, and what a canvas must be `made_by` to go on from it.

    The file is HDF5: `segmentation`, int32 over the tile's block; `segments`, int64, a row of id, voxels,
    seed z, y, x and calls for each object; `made_by` and the rest of a CanvasState as attributes. It starts
    with the SHA-256 of its other bytes, so that HDF5 never gets to read a damaged one.
    """

    path: Path
    made_by: Mapping[str, str]

    def save(self, state: CanvasState) -> None:
        """Replace the checkpoint in one step; raises InputError when the file system refuses."""
        # Made in memory, so that a full disk is met by a plain write and not somewhere inside HDF5.
        image = io.BytesIO()
        with h5py.File(image, "w", userblock_size=USER_BLOCK) as file:
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
        content = image.getbuffer()
        content[:CHECKSUM] = hashlib.sha256(content[CHECKSUM:]).digest()
        with publishing(self.path) as temporary:
            temporary.write_bytes(content)

    def load(self) -> CanvasState | None:
        """The state saved last, or None if there is none, it is damaged, or made by something else."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        if content[:CHECKSUM] != hashlib.sha256(content[CHECKSUM:]).digest():
            log.warning("%s is damaged; its tile starts anew", self.path)
            return None
        with h5py.File(io.BytesIO(content), "r") as file:
            if any(file.attrs.get(name) != value for name, value in self.made_by.items()):
                log.warning("%s is of other settings, inputs or engine; its tile starts anew", self.path)
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
