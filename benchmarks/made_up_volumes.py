"""A truth and a segmentation as large as wanted, stored as a run stores its volume."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from cloudvolume import CloudVolume

from pipeline.geometry import Box, Triple, triple
from pipeline.synthetic import Phantom

SIDE = 192
"""Voxels along each axis of the cube of which the volumes consist, mirrored and with other ids each time."""
CHUNK = (64, 64, 64)
SPACING = 22.0
LOST = 0.03
CUT = 0.3
MERGED = 0.1
"""Shares of the objects in a cube that are not segmented, cut in two, and merged with the next one."""


def make_volumes(folder: Path, shape: Triple) -> tuple[str, str]:
    """The addresses of segmentation and truth, uint64 of at least `shape`; made unless they are there."""
    cubes = triple([-(-n // SIDE) for n in shape])
    paths = {name: folder / f"{name}_{'x'.join(map(str, cubes))}" for name in ("segmentation", "truth")}
    addresses = (f"precomputed://{paths['segmentation']}", f"precomputed://{paths['truth']}")
    if all((path / "whole").exists() for path in paths.values()):
        return addresses
    labels = Phantom((SIDE,) * 3, seed=7, spacing=SPACING).labels(Box.of_shape((SIDE,) * 3)).astype(np.int64)
    segments, membrane = _segmented(labels), _membrane(labels)
    volumes = {name: _create(path, cubes) for name, path in paths.items()}
    for number, place in enumerate(product(*map(range, cubes))):
        mirrored = tuple(slice(None, None, -1 if n % 2 else 1) for n in place)
        z, y, x = (slice(n * SIDE, (n + 1) * SIDE) for n in place)
        tables = {"truth": labels, "segmentation": segments}
        for name, ids in tables.items():
            cube = _ids(ids, number)[ids]
            if name == "segmentation":
                cube[membrane] = 0
            volumes[name][x, y, z] = cube[mirrored].T[..., np.newaxis]
    for path in paths.values():
        (path / "whole").touch()
    return addresses


def _segmented(labels: np.ndarray) -> np.ndarray:
    """The labels with some objects lost, some cut in the middle and some merged."""
    rng, most = np.random.default_rng(1), int(labels.max())
    change = rng.random(most + 1)
    table = np.arange(most + 1)
    table[change < LOST] = 0
    merged = (change > 1 - MERGED) & (np.arange(most + 1) > 1)
    table[merged] = table[np.flatnonzero(merged) - 1]
    segments = table[labels]
    cut = ((change > LOST) & (change < LOST + CUT))[labels]
    cut[: SIDE // 2] = False
    segments[cut] += most
    return segments


def _membrane(labels: np.ndarray) -> np.ndarray:
    """Voxels beside another object."""
    membrane = np.zeros(labels.shape, bool)
    for axis in range(3):
        here, ids = np.moveaxis(membrane, axis, 0), np.moveaxis(labels, axis, 0)
        differ = ids[1:] != ids[:-1]
        here[1:] |= differ
        here[:-1] |= differ
    return membrane


def _ids(numbers: np.ndarray, cube: int) -> np.ndarray:
    """For every number from 0 on an id of up to 64 bits, no two alike in all cubes; 0 stays 0."""
    count = int(numbers.max()) + 1
    first = np.uint64(cube * count)
    ids = (np.arange(count, dtype=np.uint64) + first) * np.uint64(0x9E3779B97F4A7C15)
    ids = np.where(ids >= np.uint64(2**64 - 8), np.uint64(1), ids)
    ids[0] = 0
    return ids


def _create(path: Path, cubes: Triple) -> CloudVolume:
    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type="segmentation",
        data_type="uint64",
        encoding="compressed_segmentation",
        resolution=[8, 8, 8],
        voxel_offset=[0, 0, 0],
        volume_size=[n * SIDE for n in reversed(cubes)],
        chunk_size=list(CHUNK),
    )
    volume = CloudVolume(f"file://{path}", info=info, compress=False, progress=False)
    volume.commit_info()
    return volume
