"""The decision points of a block that are scored already, kept so that a kill costs the last ones alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from pipeline.agglomeration.tables import SCORE
from pipeline.errors import InputError
from pipeline.results.artifacts import publishing
from pipeline.results.sealed_hdf5 import open_sealed, sealed_hdf5

log = logging.getLogger(__name__)


class SoFar:
    """The checkpoint of a block, and what its scores must be `made_by` to be taken from it.

    A sealed HDF5 file: `rows` of SCORE, those of the first decision points; `made_by` as attributes.
    """

    def __init__(self, path: Path, made_by: Mapping[str, str], every_s: float) -> None:
        self._path = path
        self._made_by = made_by
        self._every_s = every_s
        self._saved_at_s = time.monotonic()

    def load(self) -> np.ndarray:
        """The rows saved last; none if there are none, or they are damaged or made by something else.

        Raises Unreadable.
        """
        none = np.zeros(0, SCORE)
        file = open_sealed(self._path)
        if file is None:
            return none
        with file:
            if any(file.attrs.get(name) != value for name, value in self._made_by.items()):
                log.warning("%s is of other settings or inputs; its block starts anew", self._path)
                return none
            return np.asarray(file["rows"][()])

    def scored(self, rows: np.ndarray, of: int) -> None:
        """Save the rows if it is time. What the file system refuses is warned of: the block goes on."""
        if time.monotonic() - self._saved_at_s < self._every_s:
            return

        def fill(file: h5py.File) -> None:
            file.attrs.update(self._made_by)
            file.create_dataset("rows", data=rows, track_times=False)

        try:
            with publishing(self._path) as temporary:
                temporary.write_bytes(sealed_hdf5(fill))
            log.info("%s: %d of %d decision points", self._path, len(rows), of)
        except InputError as error:
            log.warning("%s; the block goes on", error)
        self._saved_at_s = time.monotonic()
