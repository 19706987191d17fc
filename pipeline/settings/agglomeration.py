"""The section `agglomeration` of a run file."""

from __future__ import annotations

from pipeline.settings.fields import PositiveInt, PositiveTriple, Probability, Section


class Agglomeration(Section):
    """Joining segments that the network floods alike from both sides (Januszewski et al. 2018). The
    segmentation stays as it is; which of its segments are one is a table beside it."""

    enabled: bool = False
    """Whether the run does it."""
    block: PositiveTriple = (128, 128, 128)
    """Voxels of which one task looks at all places: when it is killed it begins anew."""
    max_gap: PositiveInt = 8
    """Voxels, about, that two segments may be apart to be looked at where they are closest."""
    radius: PositiveTriple | None = None
    """Of the block around such a point that is flooded anew, in voxels; None: half the FOV and three deltas
    of the network. At least half the FOV, and more along some axis."""
    attempts: PositiveInt = 2
    """Seeds that are tried on each side, until one floods min_recovered of its segment."""
    min_iou: Probability = 0.8
    """Intersection over union of what both sides flood, in the middle of the block, that joins the two."""
    min_recovered: Probability = 0.6
    """What part of each segment there, either side must flood."""
    max_deleted: Probability = 0.02
    """Voxels that calls took out again, as a part of what is flooded: more are a sign of doubt."""
