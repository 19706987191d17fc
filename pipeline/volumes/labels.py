"""LabelVolume: ids of objects as uint64, 0 wherever nobody has labelled anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.labelled_sections import LabelledSections
from pipeline.volumes.volume import Volume

RESERVED = 4
"""So many of the largest ids of 32 and 64 bits have a meaning: CREMI's are 2^64-4 to 2^64-1."""


class LabelVolume(Volume):
    """The ids of `volume`, uint64. 0 is unlabelled, and so read are negative ids, the largest of the dtype
    (four, or one of 8 and 16 bits: CREMI and others mark with them what is to be ignored) and `ignored`. That
    there is no object under 0 is known, unless `ignored` has it: then nobody knows. In a segmentation, which
    a program made, the largest are ids like others: `all_are_ids`.

    Raises InputError when the volume does not hold integers, or is stored by what does not keep them.
    """

    loads_anew = True

    def __init__(self, volume: Volume, ignored: Sequence[int] = (), all_are_ids: bool = False) -> None:
        if volume.dtype.kind not in "iu":
            raise InputError(
                f"data.labels {volume.uri} holds {volume.dtype}; expected integer ids: convert them"
            )
        if volume.lossy:
            raise InputError(
                f"{volume.uri} is stored as {volume.lossy}, which changes ids: save it losslessly"
            )
        super().__init__(
            volume.uri, volume.format, volume.shape, np.dtype(np.uint64), volume.frame, volume.chunk
        )
        self.stored_dtype = volume.dtype
        self.source = volume
        self.is_remote = volume.is_remote
        self.may_be_empty = volume.may_be_empty
        self._unknown_is_0 = 0 in ignored
        self._unlabelled = unlabelled_ids(volume.dtype, ignored)[: 0 if all_are_ids else None]

    @property
    def stamp(self) -> str:
        return self.source.stamp

    def is_unlabelled(self, ids: np.ndarray) -> np.ndarray:
        """Of every stored id, as `read_stored` gives them, whether it means "not labelled"; bool."""
        return np.isin(ids, self._unlabelled) | (ids <= 0)

    def read_stored(self, box: Box) -> np.ndarray:
        """The ids of `box` as they are stored, in the stored dtype; of what is missing the largest of it.

        Where labels are missing nobody knows what lies there, as where an id says so; but not in formats that
        do not store what is 0. Raises InputError as `read` does.
        """
        ids = self.source.read(box)
        for chunk in [] if self.may_be_empty else self.source.missing(box):
            ids[(chunk & box).slices(box.start)] = np.iinfo(ids.dtype).max
        return ids

    def ignored(self, box: Box) -> np.ndarray:
        """Which voxels of `box` hold an id that says "not labelled", as a rule not just 0; (z, y, x) bool.

        What lies there is unknown. A 0 mostly is a membrane or ground, and no object, which is known.
        """
        return self.is_ignored(self.read_stored(box))

    def is_ignored(self, ids: np.ndarray) -> np.ndarray:
        """Of every stored id, also where it was cast to uint64, whether it says so; bool."""
        ids = ids.astype(self.stored_dtype, copy=False)
        return self.is_unlabelled(ids) & ((ids != 0) | self._unknown_is_0)

    def read_filled(self, box: Box) -> np.ndarray:
        """The ids of `box`; between sections that are labelled those that both have at a voxel, else 0.

        Where sections lie between such they are `ignored` in any case. Raises InputError as `read` does.
        """
        if isinstance(self.source, LabelledSections):
            return self._as_ids(self.source.filled(box))
        return self.read(box)

    def drawn_in(self, box: Box) -> tuple[LabelVolume, Box]:
        """What is labelled of `box`, and where: in a volume of the sections that are, where not all are."""
        if not isinstance(self.source, LabelledSections):
            return self, box
        alone = LabelVolume(self.source.alone)
        alone._unlabelled, alone._unknown_is_0 = self._unlabelled, self._unknown_is_0
        return alone, self.source.box_alone(box)

    @property
    def as_stored(self) -> Volume:
        """What is stored, ids that say "not labelled" and all, but no section that is not labelled."""
        return self.source.alone if isinstance(self.source, LabelledSections) else self.source

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return self.source._stored(chunks)

    def _load(self, box: Box) -> np.ndarray:
        return self._as_ids(self.source.read(box.translate(self.frame.origin)))

    def _as_ids(self, ids: np.ndarray) -> np.ndarray:
        if len(self._unlabelled) or ids.dtype.kind == "i":
            ids[self.is_unlabelled(ids)] = 0
        return ids.astype(np.uint64, copy=False)


def unlabelled_ids(dtype: np.dtype, ignored: Sequence[int]) -> np.ndarray:
    """The ids of `dtype`, beside 0 and negatives, that mean "not labelled"."""
    largest = int(np.iinfo(dtype).max)
    reserved = range(largest, largest - (RESERVED if dtype.itemsize >= 4 else 1), -1)
    return np.array(sorted({i for i in (*reserved, *ignored) if 0 < i <= largest}), dtype)
