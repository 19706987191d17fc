"""Join segments that the network floods alike from both sides.

`find_points` looks where segments come close, `resegment` floods a small block around each such point from
both of its segments, `agglomerate` decides once for the whole volume, and `list_edges` writes the graph.
The segmentation is not changed: a table says which of its ids are one.
"""

from pipeline.agglomeration.edges_file import edges_target, list_edges
from pipeline.agglomeration.graph import agglomerate, agglomerated_target
from pipeline.agglomeration.points import find_points, points_reach, points_target
from pipeline.agglomeration.resegment import resegment, resegment_reach, scores_target

__all__ = [
    "agglomerate",
    "agglomerated_target",
    "edges_target",
    "find_points",
    "list_edges",
    "points_reach",
    "points_target",
    "resegment",
    "resegment_reach",
    "scores_target",
]
