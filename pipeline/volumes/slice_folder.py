"""SliceVolume: a folder of images, one file a z."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from skimage.io import imread

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.folder_identity import folder_identity
from pipeline.volumes.volume import Volume

SUFFIXES = {".png", ".tif", ".tiff"}


class SliceVolume(Volume):
    """The PNG or TIFF images in `folder`, in the order of their names, numbers in them by value.

    Only the slices of a box are read. Raises InputError when the folder has no such image, and on
    reading a slice that is not a grey image of the first one's shape and dtype.
    """

    def __init__(self, folder: Path) -> None:
        files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
        if not files:
            raise InputError(f"folder {folder} holds no PNG or TIFF slices")
        self._folder = folder
        self._files = sorted(files, key=lambda path: _natural_order(path.name))
        first = _read_slice(self._files[0])
        super().__init__(str(folder), (len(files), *first.shape), first.dtype, None)

    @property
    def identity(self) -> str:
        return folder_identity(self._folder)

    def _load(self, box: Box) -> np.ndarray:
        z, y, x = box.slices()
        return np.stack([self._slice(path)[y, x] for path in self._files[z]])

    def _slice(self, path: Path) -> np.ndarray:
        image = _read_slice(path)
        if image.shape != self.shape[1:] or image.dtype != self.dtype:
            raise InputError(
                f"slice {path} is {image.dtype} of shape {image.shape}; "
                f"expected {self.dtype} of shape {self.shape[1:]} as the first slice"
            )
        return image


def _read_slice(path: Path) -> np.ndarray:
    try:
        image = np.asarray(imread(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"slice {path} is not a readable image: {' '.join(str(error).split())}") from None
    if image.ndim != 2:
        raise InputError(f"slice {path} has shape {image.shape}; expected one grey image (y, x)")
    return image


def _natural_order(name: str) -> list[str | int]:
    """Key that sorts `z2` before `z10`; text and numbers alternate, so that keys compare."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
