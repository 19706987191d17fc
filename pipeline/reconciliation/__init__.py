"""Join independently segmented tiles into one segmentation.

`find_evidence` compares a tile with its neighbours, `merge` decides once for the whole volume which
segments are one object, `write_block` writes disjoint blocks of the result. Only the first and
the last touch voxels, and each touches only the tiles it is about.
"""

from pipeline.reconciliation.evidence import OverlapTable, find_evidence, overlap_evidence
from pipeline.reconciliation.id_table import IdTable
from pipeline.reconciliation.merge import merge, merge_segments
from pipeline.reconciliation.write import blocks, create_segmentation, tiles_of_block, write_block

__all__ = [
    "IdTable",
    "OverlapTable",
    "blocks",
    "create_segmentation",
    "find_evidence",
    "merge",
    "merge_segments",
    "overlap_evidence",
    "tiles_of_block",
    "write_block",
]
