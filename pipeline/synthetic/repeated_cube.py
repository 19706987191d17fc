"""A volume made to measure with: one cube of a run's image, again and again in a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, triple
from pipeline.results.hdf5_file import write_hdf5
from pipeline.run_folder import Run
from pipeline.synthetic import Phantom
from pipeline.volumes import open_image

DATASET = "image"


def middle_cube(run: Run, side: int) -> np.ndarray:
    """The image in the middle of the run's box, (side, side, side). Raises InputError."""
    box = run.inference_box
    if side > min(box.shape):
        raise InputError(f"a cube of {side} voxels a side is more than the inference.box {box} has")
    cube = Box.of_shape(
        (side, side, side), triple([a + (n - side) // 2 for a, n in zip(box.start, box.shape)])
    )
    if run.config.data.image == "phantom":
        described = run.config.data.phantom
        return Phantom(described.shape, described.seed, described.spacing).image(cube)
    return open_image(run).read(cube)


def write_row(cube: np.ndarray, count: int, path: Path) -> Box:
    """Write `count` copies of the cube, one after the other along x, as an HDF5 file; returns their box."""
    row = np.tile(cube, (1, 1, count))
    write_hdf5(path, lambda file: file.create_dataset(DATASET, data=row))
    return Box.of_shape(triple(row.shape))
