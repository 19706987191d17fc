"""Which segments of a segmentation agglomeration has found to be one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.results.hdf5_file import reading_hdf5

COUNTS = ("points", "joins", "calls", "segments_joined", "kept_apart")


@dataclass(frozen=True)
class AgglomeratedIds:
    """`base`, ids in the segmentation, ascending, and `agglomerated`, what each becomes; both uint64.

    The new id is the smallest of all that are one. Segments that stay as they are need not be in it.
    """

    base: np.ndarray
    agglomerated: np.ndarray

    def of(self, ids: np.ndarray) -> np.ndarray:
        """The agglomerated ids, uint64, of an array of base ids of any shape."""
        ids = ids.astype(np.uint64)
        if not len(self.base):
            return ids
        at = np.minimum(np.searchsorted(self.base, ids), len(self.base) - 1)
        return np.where(self.base[at] == ids, self.agglomerated[at], ids)

    def parts(self, of: int) -> list[int]:
        """The segments, ascending, that are the object of an agglomerated id."""
        others = self.base[(self.agglomerated == of) & (self.base != of)]
        return sorted([of, *others.tolist()])

    def objects(self) -> dict[int, list[int]]:
        """Of each object that is several segments these, by its id."""
        parts: dict[int, list[int]] = {}
        for base, of in zip(self.base.tolist(), self.agglomerated.tolist()):
            if base != of:
                parts.setdefault(of, [of]).append(base)
        return parts


def read_agglomerated_ids(path: Path) -> AgglomeratedIds:
    """The table in a run's agglomeration. Raises InputError when it cannot be read."""
    try:
        with reading_hdf5(path) as file:
            return AgglomeratedIds(file["base"][()], file["agglomerated"][()])
    except (OSError, KeyError) as error:
        raise InputError(f"cannot read {path}: {error}; remove it, and the run makes it again") from error


def read_summary(path: Path) -> dict[str, int] | None:
    """COUNTS of a run's agglomeration, None if there is none: those that agglomerate.agglomerate names.

    Raises Unreadable.
    """
    try:
        with reading_hdf5(path) as file:
            return {name: int(file.attrs[name]) for name in COUNTS}
    except (OSError, KeyError):
        return None
