"""ReplacedSections: an image in which lost sections show their neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.derived import DerivedVolume
from pipeline.volumes.volume import Volume


class ReplacedSections(DerivedVolume):
    """`volume` with section `replacements[z]` in the place of section z, for every z named there.

    Raises InputError when a section is outside the volume.
    """

    def __init__(self, volume: Volume, replacements: Mapping[int, int]) -> None:
        super().__init__(volume)
        start, stop = volume.box.start[0], volume.box.stop[0]
        outside = [z for pair in replacements.items() for z in pair if not start <= z < stop]
        if outside:
            raise InputError(
                f"data.replace_sections names section {outside[0]}; {volume.uri} has {start} to {stop - 1}: "
                "leave it out"
            )
        self._replacements = dict(replacements)

    @property
    def stamp(self) -> str:
        return f"{self.source.stamp} sections {sorted(self._replacements.items())}"

    def _stored(self, chunks: list[Box]) -> list[bool]:
        """A chunk of replaced sections alone is there if those that replace them are."""
        return self.source._stored([self._source(chunk) for chunk in chunks])

    def _source(self, chunk: Box) -> Box:
        z = chunk.start[0]
        if chunk.shape[0] != 1 or z not in self._replacements:
            return chunk
        return _planes(chunk, self._replacements[z], 1)

    def _load(self, box: Box) -> np.ndarray:
        wanted = box.translate(self.frame.origin)
        start, stop = wanted.start[0], wanted.stop[0]
        lost = [z for z in sorted(self._replacements) if start <= z < stop]
        voxels = self._kept(wanted, lost)
        for z in lost:
            voxels[z - start] = self.source.read(_planes(wanted, self._replacements[z], 1))[0]
        return voxels

    def _kept(self, box: Box, lost: Sequence[int]) -> np.ndarray:
        """The volume in a box, where it matters: at `lost` it may be torn, or hold no numbers."""
        try:
            return self.source.read(box)
        except InputError:
            if not lost:
                raise
        voxels, start = np.zeros(box.shape, self.dtype), box.start[0]
        for before, after in itertools.pairwise([start - 1, *lost, box.stop[0]]):
            run = _planes(box, before + 1, after - before - 1)
            voxels[before + 1 - start : after - start] = self.source.read(run)
        return voxels


def _planes(box: Box, start: int, count: int) -> Box:
    """As many z from `start` on, of the y and x of a box."""
    (_, y, x), (_, yy, xx) = box.start, box.stop
    return Box((start, y, x), (start + count, yy, xx))
