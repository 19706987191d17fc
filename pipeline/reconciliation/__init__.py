"""Join independently segmented tiles into one segmentation.

`find_evidence` compares a tile with its neighbours, `merge` decides once for the whole volume which
segments are one object, `list_conflicts` says where tiles contradict each other, `write_block` writes
disjoint blocks of the result. Only the first and the last touch voxels, and each touches only the tiles it is
about.
"""

from pipeline.reconciliation.conflicts import conflicts_target, list_conflicts
from pipeline.reconciliation.evidence import evidence_target, find_evidence
from pipeline.reconciliation.id_table import IdTable
from pipeline.reconciliation.merge import id_table_target, merge, merge_segments
from pipeline.reconciliation.overlap import OverlapTable, overlap_evidence
from pipeline.reconciliation.write import (
    block_target,
    blocks,
    create_volume,
    tiles_of_block,
    volume_target,
    write_block,
)

__all__ = [
    "IdTable",
    "OverlapTable",
    "block_target",
    "blocks",
    "conflicts_target",
    "create_volume",
    "evidence_target",
    "find_evidence",
    "id_table_target",
    "list_conflicts",
    "merge",
    "merge_segments",
    "overlap_evidence",
    "tiles_of_block",
    "volume_target",
    "write_block",
]
