"""Join segments that the network floods alike from both sides.

`points.find_points` looks where segments come close, `resegment.resegment` floods a small block around each
such point from both of its segments, `graph.agglomerate` decides once for the whole volume, and
`edges_file.list_edges` writes the graph. The segmentation is not changed: a table says which ids are one.
"""

from pipeline.agglomeration.edges_file import edges_target
from pipeline.agglomeration.graph import agglomerated_target
from pipeline.agglomeration.targets import (
    blocks,
    checkpoint_file,
    points_reach,
    points_target,
    radius_of,
    resegment_reach,
    scores_file,
    scores_target,
)

__all__ = [
    "agglomerated_target",
    "blocks",
    "checkpoint_file",
    "edges_target",
    "points_reach",
    "points_target",
    "radius_of",
    "resegment_reach",
    "scores_file",
    "scores_target",
]
