"""NeuroproofVolume: supervoxels that are read as the bodies they belong to."""

from __future__ import annotations

from pathlib import Path

import fastremap
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.choice import Choice
from pipeline.volumes.hdf5 import Hdf5Volume, open_hdf5


class NeuroproofVolume(Hdf5Volume):
    """Body, uint64, of each voxel in a NeuroProof label file: `stack` mapped through `transforms`.

    `stack` holds supervoxel ids; each row of `transforms` is (supervoxel id, body id). A supervoxel
    without a row belongs to no body and is read as 0, unlabelled; FIB-25's sample has none such. Raises
    InputError when `transforms` is no such table, has negative ids, or gives one supervoxel to two bodies.
    """

    def __init__(self, path: Path, choice: Choice) -> None:
        super().__init__(path, "stack", choice)
        with open_hdf5(path) as file:
            transforms = file["transforms"][()]
        if transforms.ndim != 2 or transforms.shape[1] != 2 or transforms.dtype.kind not in "iu":
            raise InputError(
                f"{path}:transforms is {transforms.dtype} of shape {transforms.shape}; "
                "expected integer rows of supervoxel id, body id"
            )
        if transforms.size and transforms.min() < 0:
            raise InputError(f"{path}:transforms has the id {transforms.min()}; expected none below 0")
        # One unsigned type for all ids: numpy compares uint64 with int64 as floats, exact only to 2^53.
        rows = np.unique(transforms.astype(np.uint64), axis=0)
        self._supervoxels, self._bodies = rows.T
        twice = self._supervoxels[:-1][self._supervoxels[:-1] == self._supervoxels[1:]]
        if twice.size:
            raise InputError(f"{path}:transforms gives supervoxel {twice[0]} to more than one body")
        self.format = "NeuroProof labels"
        self.dtype = np.dtype(np.uint64)

    @staticmethod
    def is_at(path: Path) -> bool:
        """Whether the HDF5 file has both datasets."""
        with open_hdf5(path) as file:
            return "stack" in file and "transforms" in file

    def _load(self, box: Box) -> np.ndarray:
        supervoxels = super()._load(box)
        present, index = fastremap.unique(supervoxels, return_inverse=True)
        return self._body_of(present.clip(min=0).astype(np.uint64))[index].reshape(supervoxels.shape)

    def _body_of(self, supervoxels: np.ndarray) -> np.ndarray:
        if not self._supervoxels.size:
            return np.zeros_like(supervoxels)
        row = np.searchsorted(self._supervoxels, supervoxels)
        row = np.minimum(row, len(self._supervoxels) - 1)
        return np.where(self._supervoxels[row] == supervoxels, self._bodies[row], np.uint64(0))
