"""ReplacedSections: an image in which lost sections show their neighbours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.volume import Volume


class ReplacedSections(Volume):
    """`volume` with section `replacements[z]` in the place of section z, for every z named there.

    Raises InputError when a section is outside the volume.
    """

    def __init__(self, volume: Volume, replacements: Mapping[int, int]) -> None:
        super().__init__(volume.uri, volume.format, volume.shape, volume.dtype, volume.frame, volume.chunk)
        start, stop = volume.box.start[0], volume.box.stop[0]
        outside = [z for pair in replacements.items() for z in pair if not start <= z < stop]
        if outside:
            raise InputError(
                f"data.replace_sections names section {outside[0]}; {volume.uri} has {start} to {stop - 1}: "
                "leave it out"
            )
        self._volume = volume
        self.is_remote = volume.is_remote
        self.may_be_empty = volume.may_be_empty
        self._replacements = dict(replacements)

    @property
    def stamp(self) -> str:
        return f"{self._volume.stamp} sections {sorted(self._replacements.items())}"

    def _stored(self, chunks: list[Box]) -> list[bool]:
        """A chunk of replaced sections alone is there if those that replace them are."""
        return self._volume._stored([self._source(chunk) for chunk in chunks])

    def _source(self, chunk: Box) -> Box:
        (z, y, x), (stop, yy, xx) = chunk.start, chunk.stop
        if stop - z != 1 or z not in self._replacements:
            return chunk
        other = self._replacements[z]
        return Box((other, y, x), (other + 1, yy, xx))

    def _load(self, box: Box) -> np.ndarray:
        absolute = box.translate(self.frame.origin)
        voxels = self._volume.read(absolute)
        (start, y, x), (stop, yy, xx) = absolute.start, absolute.stop
        for lost, other in self._replacements.items():
            if start <= lost < stop:
                voxels[lost - start] = self._volume.read(Box((other, y, x), (other + 1, yy, xx)))[0]
        return voxels
