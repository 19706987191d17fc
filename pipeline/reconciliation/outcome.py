"""What came out of a segmentation, in few numbers, and whether it can be right."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pipeline.reconciliation.conflicts import Conflicts
from pipeline.results.hdf5_file import reading_hdf5
from pipeline.run_folder import Run
from pipeline.wording import counted

BLANK = 0.05
"""A smaller segmented share is told."""

ONE_SEGMENT = 0.5
"""A larger share of what is segmented, in one segment, is told."""


@dataclass(frozen=True)
class Outcome:
    """Of a whole volume; voxels in the overlaps of tiles count as often as they were segmented."""

    segments: int
    """Of tiles: some may lie in overlaps alone, where the volume has another tile."""
    voxels: int
    """All that are segmented."""
    largest: int
    """Those of the largest segment."""
    conflicts: int = 0
    """Two segments that one tile keeps apart and another has as one, so often."""
    joined: int = 0
    """Of these, those that are one in the volume."""

    @classmethod
    def of(cls, sizes: np.ndarray, conflicts: Conflicts) -> Outcome:
        """Of a volume with so many voxels, int64, of each global id."""
        return cls(
            int(np.count_nonzero(sizes)),
            int(sizes.sum()),
            int(sizes.max()),
            len(conflicts),
            int(np.count_nonzero(conflicts.is_joined)),
        )

    def describe(self, tiled_voxels: int, in_volume: int | None) -> str:
        """`302 segments over 91% of the tiles' voxels, the largest 12% of that`.

        `in_volume` is how many segments the volume has; None: it is not written yet.
        """
        segments = counted(self.segments if in_volume is None else in_volume, "segment")
        segments = f"up to {segments}" if in_volume is None else segments
        found = f"{segments} over {self.voxels / tiled_voxels:.0%} of the tiles' voxels"
        return f"{found}, the largest {self.largest / max(1, self.voxels):.0%} of that"

    def describe_conflicts(self) -> str:
        """`12 places where tiles contradict each other: 10 kept apart, 2 joined`."""
        kept = self.conflicts - self.joined
        return (
            f"{counted(self.conflicts, 'place')} where tiles contradict each other: {kept:,} kept apart, "
            f"{self.joined:,} joined"
        )

    def doubts(self, tiled_voxels: int) -> list[str]:
        """Why the outcome can hardly be right; nothing where it may be."""
        hint = (
            "look at how the training went, data.image_mean and image_stddev, inverted contrast, data.mip, "
            "the network's voxel size"
        )
        if self.segments == 0:
            return [f"nothing was segmented: {hint}"]
        doubts = []
        if self.voxels < BLANK * tiled_voxels:
            doubts.append(f"only {self.voxels / tiled_voxels:.1%} of the voxels are segmented: {hint}")
        if self.segments > 1 and self.largest > ONE_SEGMENT * self.voxels:
            share = self.largest / self.voxels
            doubts.append(f"one segment holds {share:.0%} of what is segmented, objects have merged: {hint}")
        if self.segments == 1:
            doubts.append(f"all that is segmented is one segment: {hint}")
        return doubts


def read_outcome(run: Run) -> Outcome | None:
    """The outcome of the run's merge, corrected if it is; None where there is none, or an older version's.

    Raises Unreadable.
    """
    try:
        with reading_hdf5(run.final_table_file) as file:
            return Outcome(**{f.name: int(file.attrs[f.name]) for f in fields(Outcome)})
    except (OSError, KeyError):
        return None
