"""Volumes as laboratories keep them, small: tissue of cells with dark membranes, and its labels."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from cloudvolume import CloudVolume
from scipy import ndimage

from pipeline.checkup.before_run import Found, check
from pipeline.config import Network, RunConfig
from pipeline.ffn.weights import weight_shapes, write_weights
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import parse_config

SHAPE = (40, 48, 56)
CREMI = {"resolution": (40.0, 4.0, 4.0)}
NETWORK = {"fov": [13, 13, 13], "deltas": [3, 3, 3], "depth": 2, "features": 4}


@lru_cache(maxsize=4)
def cells(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Image, uint8, and labels, uint32, of cells around random centres; their membranes are dark and 0."""
    rng = np.random.default_rng(seed)
    centres = np.zeros(shape, bool)
    centres.flat[rng.choice(centres.size, 30, replace=False)] = True
    numbered = np.where(centres, np.cumsum(centres.reshape(-1)).reshape(shape), 0)
    nearest = ndimage.distance_transform_edt(~centres, return_distances=False, return_indices=True)
    labels = numbered[tuple(nearest)].astype(np.uint32)
    membrane = ndimage.grey_dilation(labels, 3) != ndimage.grey_erosion(labels, 3)
    image = np.where(membrane, 60.0, 165.0) + rng.normal(0, 8, shape)
    return image.clip(1, 254).astype(np.uint8), np.where(membrane, 0, labels)


def write_hdf5(path: Path, **datasets: tuple[np.ndarray, dict[str, Any]] | np.ndarray) -> None:
    """One dataset each, with attributes if any are given."""
    with h5py.File(path, "w") as file:
        for name, given in datasets.items():
            array, attributes = given if isinstance(given, tuple) else (given, {})
            file[name] = array
            file[name].attrs.update(attributes)


def write_precomputed(
    path: Path, array: np.ndarray, origin: tuple[int, int, int], layer: str, **more: Any
) -> None:
    """A volume of one level at `origin`, voxels of 40 x 4 x 4 nm, in chunks of 16 voxels."""
    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type=layer,
        data_type=array.dtype.name,
        encoding="raw",
        resolution=[4, 4, 40],
        voxel_offset=origin[::-1],
        volume_size=array.shape[::-1],
        chunk_size=[16, 16, 16],
    )
    volume = CloudVolume(f"file://{path}", info=info, progress=False, compress=False, **more)
    volume.commit_info()
    volume[:] = array.T[..., np.newaxis]


def run_on(folder: Path, **sections: dict[str, Any]) -> Run:
    """A resolved run on volumes in `folder`; without labels it has a network, of random weights."""
    data = {"folder": str(folder), "image": "em.h5:image", **sections.pop("data", {})}
    inference = {"tile": [40, 40, 40], "overlap": [20, 20, 20], **sections.pop("inference", {})}
    training = {"sampling": {"min_segment_voxels": 100, "radius": [4, 4, 4]}, **sections.pop("training", {})}
    network = NETWORK if "labels" in data else {**NETWORK, "checkpoint": str(_random_network(folder))}
    document = {"data": data, "network": network, "inference": inference, "training": training, **sections}
    config: RunConfig = parse_config(document, "run.yaml")
    return resolve(config, folder / "run")


def _random_network(folder: Path) -> Path:
    network, rng = Network.model_validate(NETWORK), np.random.default_rng(1)
    weights = {
        name: rng.normal(size=shape).astype(np.float32) for name, shape in weight_shapes(network).items()
    }
    write_weights(weights, network, folder / "network.h5")
    return folder / "network.h5"


def findings(run: Run) -> dict[str, str]:
    """What the checks find, by name: state and text. Raises InputError as they do."""
    found: list[Found] = check(run)
    return {what: f"{finding.state}: {finding.text}" for what, finding in found}
