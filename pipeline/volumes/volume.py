"""Volume: a three-dimensional array in a file, of which boxes can be read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple

VoxelSize: TypeAlias = tuple[float, float, float]


class Volume(ABC):
    """Voxels in z, y, x order that are read box by box, and never all at once unless asked to.

    Opening reads no voxels. Raises InputError when the array is not three-dimensional, is empty, or holds
    neither integers nor float32 or float64.
    """

    def __init__(
        self, uri: str, shape: tuple[int, ...], dtype: np.dtype, voxel_size_nm: VoxelSize | None
    ) -> None:
        if len(shape) != 3 or 0 in shape:
            raise InputError(f"{uri} has shape {tuple(shape)}; expected three dimensions z, y, x, none empty")
        if dtype.kind not in "iu" and dtype not in (np.float32, np.float64):
            raise InputError(f"{uri} holds {dtype}; expected integers, float32 or float64")
        self.uri = uri
        self.shape: Triple = triple(shape)
        self.dtype = dtype.newbyteorder("=")
        self.voxel_size_nm = voxel_size_nm

    @property
    @abstractmethod
    def identity(self) -> str:
        """A cheap identity of the stored data: path, size and time of change of its files."""

    @property
    def box(self) -> Box:
        """All voxels; it starts at (0, 0, 0) unless the volume was placed elsewhere."""
        return Box.of_shape(self.shape)

    def read(self, box: Box) -> np.ndarray:
        """The voxels of `box` as a new array of `box.shape` and the volume's dtype.

        Raises InputError when part of the box is outside the volume, when the file cannot be
        read, or when floating-point voxels are NaN or infinite.
        """
        if not self.box.contains(box):
            raise InputError(f"box {box} is outside {self.uri}, which covers {self.box}")
        if box.is_empty:
            return np.zeros(box.shape, self.dtype)
        voxels = np.ascontiguousarray(self._load(box), dtype=self.dtype)
        if voxels.dtype.kind == "f":
            bad = voxels.size - np.count_nonzero(np.isfinite(voxels))
            if bad:
                raise InputError(f"{self.uri} has {bad} voxels in box {box} that are NaN or infinite")
        return voxels

    @abstractmethod
    def _load(self, box: Box) -> np.ndarray:
        """The voxels of `box`, which is not empty and lies in the volume."""


def parse_resolution(attribute: Any, uri: str) -> VoxelSize | None:
    """The voxel size that an attribute `resolution` holds: z, y, x in nm; None where there is none.

    Raises InputError when it is not three positive numbers.
    """
    if attribute is None:
        return None
    try:
        z, y, x = (float(v) for v in attribute)
    except (TypeError, ValueError):
        z = y = x = 0.0
    if not min(z, y, x) > 0:
        raise InputError(f"{uri}: attribute resolution is {attribute!r}; expected z, y, x in nm")
    return z, y, x
