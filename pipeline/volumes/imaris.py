"""Imaris pads its HDF5 datasets to whole chunks, and says beside them how many voxels are the image's."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from pipeline.errors import InputError


def refuse_padded(dataset: h5py.Dataset, uri: str) -> None:
    """Raise InputError where an Imaris channel has more voxels, z, y, x, than its image: the rest is 0."""
    image = [_number(dataset.parent.attrs.get(f"ImageSize{axis}")) for axis in "ZYX"]
    if dataset.name.endswith("/Data") and all(image) and tuple(image) != dataset.shape:
        part = ", ".join(f":{length}" for length in image)
        raise InputError(
            f"{uri} is Imaris', of shape {dataset.shape}, of which [{part}] is the image, the rest padding: "
            "write that as a dataset of its own; set data.voxel_size_nm"
        )


def _number(letters: Any) -> int:
    """That of an attribute, which Imaris writes letter by letter; 0 where it is none."""
    text = np.asarray(b"" if letters is None else letters).tobytes()
    return int(text) if text.isdigit() else 0
