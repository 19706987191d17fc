"""How shapes lie in the volume: their folders, what describes them, and which file holds which segment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.reconciliation.levels import UNKNOWN_VOXEL_SIZE_NM
from pipeline.reconciliation.shapes.cells import CellGrid
from pipeline.run_folder import Run
from pipeline.tracing import LEAST_VOXELS
from pipeline.volumes import VoxelSize, image_voxel_size_nm

QUANTIZATION_BITS = 16
"""Of the corners of surfaces, in a cell."""
CELLS_PER_SHARD = 8
MINISHARD_BITS = 6


@dataclass(frozen=True)
class Kind:
    """What is stored of segments: surfaces, or lines along their middle."""

    folder: str
    """Below the volume, and its name in the volume's info."""
    least_voxels: int
    """Segments with fewer have none, which is told."""


MESHES = Kind("mesh", 100)
SKELETONS = Kind("skeletons", LEAST_VOXELS)


def kinds(run: Run) -> list[Kind]:
    """Those that the run makes."""
    asked = {MESHES: run.config.reconciliation.meshes, SKELETONS: run.config.reconciliation.skeletons}
    return [kind for kind, is_asked in asked.items() if is_asked]


def voxel_size_nm(run: Run) -> VoxelSize:
    """As the volume states it."""
    return image_voxel_size_nm(run) or UNKNOWN_VOXEL_SIZE_NM


def count_shards(run: Run) -> int:
    """A power of two, so that one is about as large as what is in CELLS_PER_SHARD cells."""
    cells = math.prod(CellGrid.of(run).shape())
    return 1 << (-(-cells // CELLS_PER_SHARD) - 1).bit_length()


def shard_of(run: Run, ids: np.ndarray) -> np.ndarray:
    """The number of the shard that holds each segment: ids are consecutive, and shards equally full."""
    return (ids >> np.uint64(MINISHARD_BITS)) & np.uint64(count_shards(run) - 1)


def shard_name(run: Run, kind: Kind, number: int) -> str:
    """The name of a shard's file below the volume."""
    digits = -(-(count_shards(run) - 1).bit_length() // 4)
    return f"{kind.folder}/{number:0{max(1, digits)}x}.shard"


def sharding(run: Run) -> dict[str, Any]:
    """As info files say it. Nothing is packed: Draco has done so, and pieces are read by their place."""
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "hash": "identity",
        "preshift_bits": 0,
        "minishard_bits": MINISHARD_BITS,
        "shard_bits": (count_shards(run) - 1).bit_length(),
        "minishard_index_encoding": "raw",
        "data_encoding": "raw",
    }


def shape_info(run: Run, kind: Kind) -> dict[str, Any]:
    """The info file of the kind's folder."""
    if kind == SKELETONS:
        return {
            "@type": "neuroglancer_skeletons",
            "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
            "vertex_attributes": [{"id": "radius", "data_type": "float32", "num_components": 1}],
            "sharding": sharding(run),
        }
    return {
        "@type": "neuroglancer_multilod_draco",
        "vertex_quantization_bits": QUANTIZATION_BITS,
        "lod_scale_multiplier": 1,
        "transform": _from_grid(run),
        "sharding": sharding(run),
    }


def _from_grid(run: Run) -> list[float]:
    """From nm that count from the first cell to those of the volume, x, y, z; rows of a matrix."""
    starts = [(at - 0.5) * size for at, size in zip(run.inference_box.start, voxel_size_nm(run))]
    x, y, z = starts[::-1]
    return [1, 0, 0, x, 0, 1, 0, y, 0, 0, 1, z]
