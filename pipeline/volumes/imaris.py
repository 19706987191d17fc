"""Imaris pads its HDF5 datasets to whole chunks, and says beside them how many voxels are the image's."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np


def without_padding(dataset: h5py.Dataset) -> tuple[int, ...]:
    """The shape of a dataset or, of a channel of Imaris, of the image in its corner: the rest is 0."""
    image = tuple(_number(dataset.parent.attrs.get(f"ImageSize{axis}")) for axis in "ZYX")
    fits = len(dataset.shape) == 3 and all(0 < own <= stored for own, stored in zip(image, dataset.shape))
    return image if dataset.name.endswith("/Data") and fits else dataset.shape


def _number(letters: Any) -> int:
    """That of an attribute, which Imaris writes letter by letter; 0 where it is none."""
    text = np.asarray(b"" if letters is None else letters).tobytes()
    return int(text) if text.isdigit() else 0
