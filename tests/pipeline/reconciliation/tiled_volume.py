"""A known segmentation, cut into tiles as if each had been segmented on its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from pipeline.config import RunConfig
from pipeline.geometry import Box, Tile, Triple
from pipeline.reconciliation import gather, groups, merge
from pipeline.reconciliation.evidence import read_evidence
from pipeline.results import artifacts
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


def make_run(
    folder: Path,
    box: Box,
    tile: Triple,
    overlap: Triple,
    *,
    chunk: Triple = (8, 8, 8),
    block: Triple = (16, 16, 16),
    min_overlap_voxels: int = 1,
    sharded: bool = False,
    mips: int = 3,
) -> Run:
    """A resolved run over `box` of a blank image with voxels of 40 x 8 x 4 nm."""
    image = folder / "image.h5"
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(image, "w") as file:
        file["raw"] = np.zeros((1, 1, 1), np.uint8)
    config = RunConfig.model_validate(
        {
            "data": {"image": f"{image}:raw", "voxel_size_nm": (40, 8, 4)},
            "network": {"fov": (3, 3, 3), "deltas": (1, 1, 1)},
            "inference": {"box": str(box), "tile": tile, "overlap": overlap},
            "reconciliation": {
                "min_overlap_voxels": min_overlap_voxels,
                "chunk": chunk,
                "block": block,
                "sharded": sharded,
                "mips": mips,
            },
        }
    )
    return Run(folder, config)


def cut(volume: np.ndarray, box: Box, tile: Tile, seed: int) -> np.ndarray:
    """The labels of the tile, renumbered in an order that differs from tile to tile."""
    labels = volume[tile.box.slices(box.start)]
    rng = np.random.default_rng([seed, tile.index])
    ids = np.unique(labels[labels != 0])
    local = np.zeros(labels.shape, np.uint32)
    for number, i in zip(rng.permutation(len(ids)) + 1, ids):
        local[labels == i] = number
    return local


def write_tile(run: Run, tile: Tile, labels: np.ndarray, missing_voxels: int = 0) -> Artifact:
    """Publish a tile as inference does, as far as reconciliation is concerned."""
    path = run.tile_file(tile)
    with artifacts.publishing(path) as temporary, h5py.File(temporary, "w") as file:
        file["segmentation"] = labels.astype(np.uint32)
        if missing_voxels:
            file.attrs["missing_voxels"] = missing_voxels
    return Artifact(str(path), artifacts.file_sha256(path))


def merged(run: Run, evidence: Sequence[Artifact]) -> Artifact:
    """The id table, from the evidence of the tiles in any order, by way of their groups."""
    found = {read_evidence(e).tile: e for e in evidence}
    made = [gather(run, group, [found[index] for index in group]) for group in groups(run)]
    return merge(run, made[::-1])


def relabelled_equally(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two segmentations differ in the names of their segments only; 0 must be 0 in both."""
    pairs = np.unique(np.stack([a.ravel().astype(np.uint64), b.ravel().astype(np.uint64)]), axis=1)
    one_to_one = all(len(np.unique(side)) == pairs.shape[1] for side in pairs)
    return one_to_one and bool(((pairs[0] == 0) == (pairs[1] == 0)).all())
