"""NeuroproofVolume: supervoxels that are read as the bodies they belong to."""

from __future__ import annotations

from pathlib import Path

import fastremap
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.choice import Choice
from pipeline.volumes.hdf5 import Hdf5Volume
from pipeline.volumes.hdf5_file import dataset_in, open_hdf5
from pipeline.wording import counted


class NeuroproofVolume(Hdf5Volume):
    """Body of each voxel in a NeuroProof label file, as uint64: `stack` mapped through `transforms`.

    `stack` holds supervoxel ids; each row of `transforms` is (supervoxel id, body id). A supervoxel
    without a row, or with a negative id, belongs to no body and is read as 0, unlabelled: `without_body`
    counts such voxels. FIB-25's sample has none. Raises InputError, as `Hdf5Volume` does, and where `stack`
    holds no integers or `transforms` is no such table: empty, with negative ids, or with two bodies for one
    supervoxel.
    """

    def __init__(self, path: Path, choice: Choice) -> None:
        super().__init__(path, "stack", choice)
        if self.dtype.kind not in "iu":
            raise InputError(f"{self.uri} holds {self.dtype}; expected integer supervoxel ids: convert them")
        with open_hdf5(path) as file:
            transforms = dataset_in(file, path, "transforms")[()]
        self._supervoxels, self._bodies = _body_table(transforms, f"{path}:transforms")
        self.format = "NeuroProof HDF5"
        self.dtype = np.dtype(np.uint64)

    @staticmethod
    def is_at(path: Path) -> bool:
        """Whether the HDF5 file has both datasets."""
        with open_hdf5(path) as file:
            return "stack" in file and "transforms" in file

    def without_body(self, box: Box) -> int:
        """How many voxels of `box` are read as 0 although their supervoxel is another: it has no row."""
        supervoxels = super()._load(self._inside(box))
        ids, counts = fastremap.unique(supervoxels, return_counts=True)
        return int(counts[~self._has_row(ids) & (ids != 0)].sum())

    def _load(self, box: Box) -> np.ndarray:
        supervoxels = super()._load(box)
        ids, index = fastremap.unique(supervoxels, return_inverse=True)
        bodies = np.where(self._has_row(ids), self._bodies[self._row(ids)], np.uint64(0))
        return bodies[index].reshape(supervoxels.shape)

    def _row(self, ids: np.ndarray) -> np.ndarray:
        # as uint64: int64 and uint64 are compared as float64, in which ids above 2^53 are not told apart
        row = np.searchsorted(self._supervoxels, ids.astype(np.uint64))
        return np.minimum(row, len(self._supervoxels) - 1)

    def _has_row(self, ids: np.ndarray) -> np.ndarray:
        return (ids >= 0) & (self._supervoxels[self._row(ids)] == ids.astype(np.uint64))


def _body_table(transforms: np.ndarray, uri: str) -> tuple[np.ndarray, np.ndarray]:
    """Supervoxels, ascending and each once, and their bodies; both uint64."""
    expected = "expected integer rows of supervoxel id, body id"
    if transforms.ndim != 2 or transforms.shape[1:] != (2,) or transforms.dtype.kind not in "iu":
        raise InputError(f"{uri} is {transforms.dtype} of shape {transforms.shape}; {expected}")
    if len(transforms) == 0:
        raise InputError(f"{uri} has no rows: every supervoxel would be read as 0; {expected}")
    negative = transforms[(transforms < 0).any(axis=1)]
    if len(negative):
        raise InputError(
            f"{uri} has {counted(len(negative), 'row')} with negative ids, "
            f"{tuple(negative[0].tolist())} among them: expected ids of 0 or more"
        )
    rows = transforms[np.argsort(transforms[:, 0], kind="stable")].astype(np.uint64)
    twice = np.flatnonzero((rows[1:, 0] == rows[:-1, 0]) & (rows[1:, 1] != rows[:-1, 1]))
    if len(twice):
        (supervoxel, body), (_, other) = rows[twice[0] : twice[0] + 2].tolist()
        raise InputError(
            f"{uri} gives several bodies to {len(np.unique(rows[twice, 0]))} supervoxels: {supervoxel} "
            f"belongs to {body} and {other}; expected one body each"
        )
    supervoxels, bodies = np.ascontiguousarray(rows.T)
    return supervoxels, bodies
