"""Count a block of a segmentation against a truth: what a run and a comparison of any two volumes share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.conventions import BoxCounts
from pipeline.evaluation.filling import fill_block
from pipeline.geometry import Box
from pipeline.volumes import Volume
from pipeline.volumes.labels import LabelVolume


def count_parts(
    segmentation: Volume,
    truth: LabelVolume,
    block: Box,
    inside: Box,
    parts: Sequence[Box],
    counted: np.ndarray | None = None,
) -> list[BoxCounts]:
    """The counts of each of some disjoint `parts` of a block of `inside`, which is scored.

    Blanks are filled by what lies in `inside`. `counted` says which voxels of the block count, (z, y, x)
    bool; None: all. What an id says to ignore does not. Raises InputError as reading does.
    """
    segments, filled = fill_block(segmentation.read, block, inside)
    labels, found = truth.read_stored(block), []
    for part in parts:
        here = part.slices(block.start)
        these = None if counted is None else counted[here]
        counts = BoxCounts.count(labels[here], segments[here], filled[here], these)
        found.append(counts.without_ignored(truth))
    return found
