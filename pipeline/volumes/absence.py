"""Absence: how much of what should be stored of a volume is not there, and whether that is too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config import Data
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.volume import Volume

MOST_LOOKED_AT = 4096
"""Chunks; looking at more would make the start of a run slow."""

MISSING_CHUNKS_ALLOWED = 0.01
MISSING_SLICES_ALLOWED = 0.0


@dataclass(frozen=True)
class Absence:
    """Of the chunks that meet a box, how many were looked at, and which of these are missing."""

    chunks: int
    looked_at: int
    gaps: Sequence[Box]
    """Those that are missing."""
    share: float
    """Of the voxels of the box that lie in those looked at, the part that is missing."""
    may_be_empty: bool
    """Whether those not stored may hold nothing but the fill value."""

    @property
    def missing(self) -> int:
        """How many are."""
        return len(self.gaps)

    def text(self, noun: str) -> str:
        """`12 of 96 chunks are missing, the first at 0:32,0:32,0:32`."""
        of = f"{self.looked_at:,} {noun}" + (
            "" if self.looked_at == self.chunks else f" (of {self.chunks:,})"
        )
        empty = " or hold nothing but the fill value" if self.may_be_empty else ""
        return f"{self.missing:,} of {of} are missing{empty}, the first at {self.gaps[0]}"


def absence(volume: Volume, box: Box) -> Absence:
    """What is missing of `volume` in `box`, by a sample of the chunks where there are many."""
    looked_at = volume.chunks(box, MOST_LOOKED_AT)
    missing = volume.missing_of(looked_at)
    return Absence(
        chunks=volume.count_chunks(box),
        looked_at=len(looked_at),
        gaps=missing,
        share=voxels_of(missing, box) / max(1, voxels_of(looked_at, box)),
        may_be_empty=volume.may_be_empty,
    )


def voxels_of(chunks: Sequence[Box], box: Box) -> int:
    """How many voxels of `box` lie in some disjoint chunks."""
    return sum((chunk & box).size for chunk in chunks)


def of_slices(volume: Volume) -> bool:
    """Whether what may be missing of the volume are whole sections, or parts of one."""
    return volume.chunk is not None and volume.chunk[0] == 1


def refuse_too_much(share: float, what: str, image: Volume, data: Data) -> None:
    """Raise InputError where this share of an image's voxels is more than may be missing.

    `what` says what is missing of which box, as the error's beginning.
    """
    allowed = data.max_missing
    if allowed is None:
        allowed = MISSING_SLICES_ALLOWED if of_slices(image) else MISSING_CHUNKS_ALLOWED
    if share <= allowed:
        return
    ways = "data.replace_sections can put others in their place" if of_slices(image) else "complete it"
    enough = min(1.0, np.ceil(share * 100) / 100)
    raise InputError(
        f"{what}: {share * 100:.3g}% of its voxels, more than data.max_missing allows, {allowed * 100:.3g}%; "
        f"{ways}, or set data.max_missing to {enough:g} to go on with them black"
    )
