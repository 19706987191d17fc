"""VolumeChunks: any volume as Neuroglancer precomputed, its chunks made when they are asked for."""

from __future__ import annotations

import math
import re
import threading
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pipeline.geometry import Box, Triple
from pipeline.volumes import Volume, VoxelSize

if TYPE_CHECKING:
    from pipeline.viewing.shapes import AgglomeratedShapes

Kind: TypeAlias = Literal["image", "segmentation"]

CHUNK: Triple = (64, 64, 64)
SCALE = "voxels"
"""The name of the one level."""

CHUNK_NAME = re.compile(rf"{SCALE}/" + "_".join([r"(-?\d+)-(-?\d+)"] * 3))


class VolumeChunks:
    """A volume of a format that Neuroglancer does not read from files as the info file and the raw chunks of
    one that it does, x running fastest. Its dtype becomes the nearest that can be shown.

    With `shapes` it has those of its segments, too.
    """

    def __init__(
        self, volume: Volume, kind: Kind, voxel_size_nm: VoxelSize, shapes: AgglomeratedShapes | None = None
    ) -> None:
        self._volume = volume
        self._kind = kind
        self._size_nm = voxel_size_nm
        self._shapes = shapes
        self._dtype = shown_dtype(volume.dtype, kind)
        self._one_at_a_time = threading.Lock()  # readers keep files open, and what they have unpacked

    @property
    def info(self) -> dict[str, Any]:
        """The content of the info file."""
        scale = {
            "key": SCALE,
            "size": list(self._volume.shape[::-1]),
            "resolution": list(self._size_nm[::-1]),
            "voxel_offset": list(self._volume.frame.origin[::-1]),
            "chunk_sizes": [list(CHUNK[::-1])],
            "encoding": "raw",
        }
        return {
            "@type": "neuroglancer_multiscale_volume",
            "type": self._kind,
            "data_type": self._dtype.name,
            "num_channels": 1,
            "scales": [scale],
            **(self._shapes.folders if self._shapes else {}),
        }

    def file(self, name: str) -> bytes | None:
        """A chunk, or a file of the shapes; None where there is none such. Raises InputError."""
        if self._shapes is None or name.startswith(f"{SCALE}/"):
            return self.chunk(name)
        return self._shapes.file(name)

    def chunk(self, name: str) -> bytes | None:
        """The chunk of a name such as `voxels/0-64_0-64_64-100`, x, y, z; None where there is no such one.

        Raises InputError when it cannot be read.
        """
        found = CHUNK_NAME.fullmatch(name)
        if found is None:
            return None
        x0, x1, y0, y1, z0, z1 = (int(number) for number in found.groups())
        box = Box((z0, y0, x0), (z1, y1, x1))
        if box.is_empty or box.size > math.prod(CHUNK) or not self._volume.box.contains(box):
            return None
        with self._one_at_a_time:
            voxels = self._volume.read(box)
        return np.ascontiguousarray(voxels.astype(self._dtype)).tobytes()


def shown_dtype(dtype: np.dtype, kind: Kind) -> np.dtype:
    """The dtype that Neuroglancer can show which keeps most: of ids all, of an image what a screen has."""
    if kind == "segmentation":
        return np.dtype(np.uint64)
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    return np.dtype(np.float32) if dtype.kind == "f" or dtype.itemsize == 8 else dtype.newbyteorder("<")
