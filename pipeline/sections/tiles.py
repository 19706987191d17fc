"""ImageTile and TileSection: what a microscope made of a section, and where it says that each part lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.byte_cache import ByteCache
from pipeline.errors import InputError
from pipeline.sections.corrections import CorrectedShift
from pipeline.volumes.slice_image import read_slice
from pipeline.wording import counted

_READ_LAST = ByteCache[tuple[str, str]](most_bytes=400 * 2**20, least=2)
"""Neighbours are looked at one after the other, and sections in pairs, each of which may be one image."""


@dataclass(frozen=True)
class ImageTile:
    """One image of a section, of `shape` pixels y, x."""

    name: str
    """As the table calls its file."""
    path: str
    y: float
    """The nominal place of its first pixel, in pixels."""
    x: float
    shape: tuple[int, int]
    stamp: str
    """Size and time of change of its file: what it is known by."""

    def read(self) -> np.ndarray:
        """Its grey values, (y, x). Raises InputError where it cannot be read, has NaN or another shape."""
        values = _READ_LAST.get((self.path, self.stamp), partial(_finite, Path(self.path)))
        if values.shape != self.shape:
            raise InputError(
                f"tile {self.path} has {values.shape} pixels (y, x), others have {self.shape}: leave it out "
                "of the table, or crop all alike"
            )
        return values


def _finite(path: Path) -> np.ndarray:
    """The grey values of an image: one that is none would spread by contrast over its whole section."""
    values = read_slice(path)
    wrong = values.size - int(np.isfinite(values).sum()) if values.dtype.kind == "f" else 0
    if wrong:
        raise InputError(f"tile {path} has {counted(wrong, 'pixel')} of NaN or infinity: save numbers there")
    return values


@dataclass(frozen=True)
class TileSection:
    """The tiles of one section that are there, by name; at least one."""

    z: int
    tiles: tuple[ImageTile, ...]
    missing: tuple[str, ...] = ()
    """Names of those that the table has besides."""
    corrected: tuple[CorrectedShift, ...] = ()
    """What a person says of its pairs."""

    @property
    def name(self) -> str:
        """Stable file-name stem."""
        return f"z{self.z:06d}"
