"""Small HDF5 files for tests, what is said of one that is refused, and one that another program holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.volumes.choice import Choice
from pipeline.volumes.hdf5 import Hdf5Volume

SHAPE = (6, 7, 8)
IMAGE = np.random.default_rng(1).integers(1, 256, SHAPE, dtype=np.uint8)


def made(folder: Path, fill: Callable[[h5py.File], None]) -> Path:
    with h5py.File(folder / "v.h5", "w") as file:
        fill(file)
    return folder / "v.h5"


def error_of(path: Path, dataset: str = "raw", choice: Choice | None = None) -> str:
    with pytest.raises(InputError) as caught:
        Hdf5Volume(path, dataset, choice or Choice())
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


class held:  # noqa: N801 - used as a block
    """Another process holds the file open for writing."""

    def __init__(self, path: Path) -> None:
        code = f"import h5py\nfile = h5py.File({str(path)!r}, 'r+')\nprint(1, flush=True)\ninput()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"1\n"

    def __exit__(self, *_: object) -> None:
        self._process.communicate(b"\n")
