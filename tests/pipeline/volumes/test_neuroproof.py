"""NeuroProof's supervoxels are read as bodies, by integers alone."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.volumes import open_volume

LARGE = 2**53 + 1
"""The least integer that a float of 64 bits cannot hold."""


def write(path: Path, stack: np.ndarray, transforms: np.ndarray) -> str:
    with h5py.File(path / "labels.h5", "w") as file:
        file["stack"], file["transforms"] = stack.reshape(1, 1, -1), transforms
    return f"{path / 'labels.h5'}:stack"


@pytest.mark.parametrize("dtype", [np.uint64, np.int64])
def test_ids_beyond_what_floats_can_hold_are_told_apart(tmp_path: Path, dtype: type) -> None:
    stack = np.array([LARGE, LARGE - 1, LARGE + 1, 7], np.uint64)
    table: np.ndarray = np.array([[LARGE, 2**60 + 1], [LARGE - 1, 5]], dtype)
    volume = open_volume(write(tmp_path, stack, table))
    assert volume.dtype == np.uint64
    assert volume.read(volume.box).reshape(-1).tolist() == [2**60 + 1, 5, 0, 0]


@pytest.mark.parametrize(
    ("transforms", "wrong"),
    [
        (np.array([[1, 2], [1, 3]]), "gives supervoxel 1 to more than one body"),
        (np.array([[-1, 2]]), "has the id -1; expected none below 0"),
        (np.array([[1.0, 2.0]]), "is float64 of shape .* expected integer rows"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path: Path, transforms: np.ndarray, wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        open_volume(write(tmp_path, np.ones(3, np.uint64), transforms))
