"""DerivedVolume: what is made of the voxels of another volume when it is read."""

from __future__ import annotations

from abc import ABC

import numpy as np

from pipeline.geometry import Box
from pipeline.volumes.volume import Volume


class DerivedVolume(Volume, ABC):
    """A volume in the place and the chunks of `source`, whose `_load` makes its voxels of that one's.

    `dtype` and `format` are those of `source` unless given.
    """

    def __init__(self, source: Volume, dtype: np.dtype | None = None, format: str | None = None) -> None:
        super().__init__(
            source.uri,
            format or source.format,
            source.shape,
            source.dtype if dtype is None else dtype,
            source.frame,
            source.chunk,
        )
        self.source = source
        self.may_be_empty = source.may_be_empty
        self.lossy = source.lossy
        self.is_remote = source.is_remote

    @property
    def stamp(self) -> str:
        return self.source.stamp

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return self.source._stored(chunks)
