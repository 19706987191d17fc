"""Part: a box of a volume, and as what its voxels are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple
from pipeline.volumes import Volume, VoxelSize
from pipeline.volumes.absence import voxels_of

BLOCK: Triple = (128, 256, 256)
"""Voxels that are in memory at a time."""


@dataclass
class Part:
    """The voxels of `box` of `volume`, as `dtype`."""

    volume: Volume
    box: Box
    dtype: np.dtype
    missing_voxels: int = 0
    """Of what was read so far."""

    @property
    def voxel_size_nm(self) -> VoxelSize | None:
        """z, y, x; None where it is unknown."""
        return self.volume.voxel_size_nm

    def read(self, box: Box) -> np.ndarray:
        """The voxels of a box within, (z, y, x). Raises InputError where one does not fit `dtype`."""
        voxels = self.volume.read(box)
        self.missing_voxels += voxels_of(self.volume.missing(box), box)
        if self.dtype.kind in "iu" and voxels.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            for value in (int(voxels.min()), int(voxels.max())):
                if not limits.min <= value <= limits.max:
                    raise InputError(
                        f"{self.volume.uri} holds {value} in box {box}, for which {self.dtype} has no room: "
                        "write integers of 64 bits, as HDF5 (.h5) or OME-Zarr (.zarr)"
                    )
        return voxels.astype(self.dtype, copy=False)

    def blocks(self) -> Iterator[tuple[Box, np.ndarray]]:
        """The whole in disjoint boxes that count from its first voxel, with their voxels."""
        whole = Box.of_shape(self.box.shape)
        for block in whole.blocks(BLOCK):
            yield block, self.read(block.translate(self.box.start))


def part_of(volume: Volume, box: Box | None, dtype: np.dtype | None) -> Part:
    """A box of a volume, or all of it; `dtype`, of integers, takes the place of the one that is stored.

    Booleans become uint8. Raises InputError where the box reaches outside the volume, and where
    `dtype` is to take the place of one that is not of integers.
    """
    box = volume.box if box is None else box
    if not volume.box.contains(box):
        raise InputError(f"box {box} reaches outside {volume.uri}, which covers {volume.box}")
    stored = np.dtype(np.uint8) if volume.dtype.kind == "b" else volume.dtype
    if dtype is not None and stored.kind not in "iu":
        raise InputError(f"--dtype {dtype} is for integers, but {volume.uri} holds {stored}: leave it out")
    return Part(volume, box, dtype or stored)
