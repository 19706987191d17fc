"""Absence: how much of what should be stored of a volume is not there."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.geometry import Box
from pipeline.volumes.volume import Volume

MOST_LOOKED_AT = 4096
"""Chunks; looking at more would make the start of a run slow."""


@dataclass(frozen=True)
class Absence:
    """Of the chunks that meet a box, how many were looked at, and how many of these are missing."""

    chunks: int
    looked_at: int
    missing: int
    first: Box | None
    """The first that is missing."""

    @property
    def share(self) -> float:
        return self.missing / max(1, self.looked_at)

    def text(self, noun: str) -> str:
        """`12 of 96 chunks are missing, the first at 0:32,0:32,0:32`."""
        of = f"{self.looked_at:,} {noun}" + (
            "" if self.looked_at == self.chunks else f" (of {self.chunks:,})"
        )
        return f"{self.missing:,} of {of} are missing, the first at {self.first}"


def absence(volume: Volume, box: Box) -> Absence:
    """What is missing of `volume` in `box`, by a sample of the chunks where there are many."""
    looked_at = volume.chunks(box, MOST_LOOKED_AT)
    missing = volume.missing_of(looked_at)
    return Absence(volume.count_chunks(box), len(looked_at), len(missing), missing[0] if missing else None)
