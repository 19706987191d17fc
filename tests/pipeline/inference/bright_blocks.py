"""Runs on an image of bright blocks, with a network so small that a tile takes a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.config import Network, RunConfig
from pipeline.ffn.weights import write_weights
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities

NETWORK = Network(fov=(7, 7, 7), deltas=(2, 2, 2), depth=1, features=2)


def write_image(folder: Path) -> Path:
    """Bright blocks of different sizes on a dark ground, uint8."""
    rng = np.random.default_rng(2)
    image = np.full((40, 44, 48), 60, np.uint8)
    image[2:18, 2:40, 3:20] = 200
    image[22:38, 3:42, 2:22] = 190
    image[2:38, 4:40, 26:46] = 210
    image += rng.integers(0, 20, image.shape, np.uint8)
    path = folder / "image.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = image
    return path


def write_network(folder: Path, gain: float = 1.0) -> Artifact:
    """A network set by hand: it takes bright voxels into the object, and leaves dark ones out."""
    path = folder / "ffn.h5"
    names = (
        "conv0_a/kernel",
        "conv0_a/bias",
        "conv0_b/kernel",
        "conv0_b/bias",
        "conv_lom/kernel",
        "conv_lom/bias",
    )
    shapes = ((3, 3, 3, 2, 2), (2,), (3, 3, 3, 2, 2), (2,), (1, 1, 1, 2, 1), (1,))
    weights = {name: np.zeros(shape, np.float32) for name, shape in zip(names, shapes)}
    weights["conv0_a/kernel"][1, 1, 1, 0] = (1, -1)  # bright, dark
    weights["conv0_b/kernel"][1, 1, 1] = gain * np.eye(2)
    weights["conv_lom/kernel"][0, 0, 0, :, 0] = (4, -4)
    write_weights(weights, NETWORK, path)
    return Artifact(str(path), file_sha256(path))


def make_run(folder: Path, image_file: Path, **inference: Any) -> Run:
    settings = {
        "box": "0:40,0:44,0:48",
        "tile": (40, 44, 30),
        "overlap": (0, 0, 12),
        "min_segment_voxels": 200,
    }
    document = {
        "data": {"image": f"{image_file}:raw", "image_mean": 128, "image_stddev": 33},
        "network": NETWORK.model_dump(),
        "inference": {**settings, **inference},
    }
    return with_identities(Run(folder, RunConfig.model_validate(document)))
