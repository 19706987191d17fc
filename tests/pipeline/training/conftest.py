"""What the trainings of several tests learn."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells around random points, dark where two meet: `image` and `labels`, 40^3 voxels."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 40, (30, 3))
    grid = np.moveaxis(np.indices((40, 40, 40)), 0, -1)
    distances = np.sort(np.linalg.norm(grid[..., None, :] - points, axis=-1), axis=-1)
    labels = np.argmin(np.linalg.norm(grid[..., None, :] - points, axis=-1), axis=-1) + 1
    image = 180 - 120 * np.exp(-(((distances[..., 1] - distances[..., 0]) / 1.5) ** 2))
    path = tmp_path_factory.mktemp("volume") / "volume.h5"
    with h5py.File(path, "w") as file:
        file["image"] = (image + rng.normal(0, 8, image.shape)).astype(np.uint8)
        file["labels"] = labels.astype(np.uint32)
    return path
