"""Read what a segmented tile holds."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Tile
from pipeline.results.artifacts import Artifact
from pipeline.results.unreadable import reading

DATASET = "segmentation"


def read_labels(tile: Tile, artifact: Artifact, box: Box) -> np.ndarray:
    """The tile's own ids, uint32 (z, y, x), in the part of `box` that the tile covers; 0 is unsegmented.

    Raises InputError when the file cannot be read, or is not the segmentation of this tile's box.
    """
    part = tile.box & box
    try:
        with reading(Path(artifact.path)), h5py.File(artifact.path, "r") as file:
            labels = file[DATASET]
            if labels.shape != tile.box.shape or labels.dtype != np.uint32:
                raise InputError(
                    f"{artifact.path}:{DATASET} is {labels.dtype} of shape {labels.shape}; "
                    f"expected uint32 of shape {tile.box.shape}, of tile {tile.box}"
                )
            return labels[part.slices(tile.box.start)]
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read tile {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error


def read_missing_voxels(artifact: Artifact) -> int:
    """How many voxels of a tile's core the image lacks. Raises InputError when the file cannot be read."""
    try:
        with h5py.File(artifact.path, "r") as file:
            return int(file.attrs.get("missing_voxels", 0))
    except OSError as error:
        raise InputError(f"cannot read tile {artifact.path}: {error}") from error
