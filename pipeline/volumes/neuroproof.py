"""NeuroproofVolume: supervoxels that are read as the bodies they belong to."""

from __future__ import annotations

from pathlib import Path

import fastremap
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.hdf5 import Hdf5Volume, open_hdf5


class NeuroproofVolume(Hdf5Volume):
    """Body of each voxel in a NeuroProof label file: `stack` mapped through `transforms`.

    `stack` holds supervoxel ids; each row of `transforms` is (supervoxel id, body id). A supervoxel
    without a row belongs to no body and is read as 0, unlabelled; FIB-25's sample has none such.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "stack")
        with open_hdf5(path) as file:
            transforms = file["transforms"][()]
        if transforms.ndim != 2 or transforms.shape[1] != 2 or transforms.dtype.kind not in "iu":
            raise InputError(
                f"{path}:transforms is {transforms.dtype} of shape {transforms.shape}; "
                "expected integer rows of supervoxel id, body id"
            )
        transforms = transforms[np.argsort(transforms[:, 0], kind="stable")]
        self._supervoxels, self._bodies = transforms.T
        self.dtype = transforms.dtype.newbyteorder("=")

    @staticmethod
    def is_at(path: Path) -> bool:
        """Whether the HDF5 file has both datasets."""
        with open_hdf5(path) as file:
            return "stack" in file and "transforms" in file

    def _load(self, box: Box) -> np.ndarray:
        supervoxels = super()._load(box)
        present, index = fastremap.unique(supervoxels, return_inverse=True)
        return self._body_of(present)[index].reshape(supervoxels.shape)

    def _body_of(self, supervoxels: np.ndarray) -> np.ndarray:
        row = np.searchsorted(self._supervoxels, supervoxels)
        row = np.minimum(row, len(self._supervoxels) - 1)
        return np.where(self._supervoxels[row] == supervoxels, self._bodies[row], 0)
