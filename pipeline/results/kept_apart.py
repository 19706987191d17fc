"""Which segments a person has cut apart: with a corrected id table, for what joins segments later."""

from __future__ import annotations

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact
from pipeline.results.hdf5_file import reading_hdf5

NAME = "corrections/apart"


def write_kept_apart(file: h5py.File, pairs: np.ndarray) -> None:
    """Add pairs of ids, (n, 2) uint64, to the file of a corrected id table."""
    file[NAME] = pairs.astype(np.uint64).reshape(-1, 2)


def read_kept_apart(corrected: Artifact) -> np.ndarray:
    """The pairs that `write_kept_apart` wrote. Raises InputError when they cannot be read."""
    try:
        with reading_hdf5(corrected.path) as file:
            return np.asarray(file[NAME][()])
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read {corrected.path}: {error}; remove it, and the run makes it again"
        ) from error
