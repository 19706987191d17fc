"""Join independently segmented tiles into one segmentation.

`find_evidence` compares a tile with its neighbours, `gather` puts together what it found for tiles near each
other, `merge` decides once for the whole volume which segments are one object, `correct` applies what people
joined and cut, `list_conflicts` says where tiles contradict each other, `write_block` writes disjoint blocks
of the result. Only `find_evidence` and `write_block` touch voxels, and each touches only the tiles it is
about. Of the blocks are made coarser ones, by `downsample_block`, and a list of segments, by `measure_block`
and `list_properties`; and shapes, where they are asked for: see `pipeline.reconciliation.shapes`.
"""

from pipeline.reconciliation.assembled import AssembledVolume
from pipeline.reconciliation.conflicts import conflicts_target, list_conflicts
from pipeline.reconciliation.correct import (
    correct,
    corrected_table_target,
    list_corrections,
    list_target,
    tiles_corrected,
    write_corrected,
)
from pipeline.reconciliation.correcting import ContradictionError
from pipeline.reconciliation.downsample import coarse_block_target, downsample_block
from pipeline.reconciliation.evidence import evidence_target, find_evidence
from pipeline.reconciliation.group import count_groups, gather, group_target, groups
from pipeline.reconciliation.id_table import IdTable
from pipeline.reconciliation.levels import Level, level_blocks, levels
from pipeline.reconciliation.merge import id_table_target, merge, merge_groups
from pipeline.reconciliation.overlap import OverlapTable, overlap_evidence
from pipeline.reconciliation.segments import (
    list_properties,
    measure_block,
    properties_target,
    segments_target,
)
from pipeline.reconciliation.shapes.cells import Cell
from pipeline.reconciliation.shapes.listing import list_pieces, listing_target, read_shaped
from pipeline.reconciliation.shapes.meshes import (
    blocks_of_cell,
    mesh_cell,
    mesh_cells,
    mesh_target,
    parts_of_cell,
)
from pipeline.reconciliation.shapes.shards import shard_target, write_shard
from pipeline.reconciliation.shapes.skeletons import trace_cell, trace_cells, trace_target
from pipeline.reconciliation.shapes.stored import MESHES, SKELETONS, Kind, count_shards, kinds
from pipeline.reconciliation.write import (
    block_list_file,
    block_target,
    blocks,
    create_volume,
    tiles_of_block,
    volume_target,
    write_block,
    written_voxel_size_nm,
)

__all__ = [
    "MESHES",
    "SKELETONS",
    "AssembledVolume",
    "Cell",
    "ContradictionError",
    "IdTable",
    "Kind",
    "Level",
    "OverlapTable",
    "block_list_file",
    "block_target",
    "blocks",
    "blocks_of_cell",
    "coarse_block_target",
    "conflicts_target",
    "correct",
    "corrected_table_target",
    "count_groups",
    "count_shards",
    "create_volume",
    "downsample_block",
    "evidence_target",
    "find_evidence",
    "gather",
    "group_target",
    "groups",
    "id_table_target",
    "kinds",
    "level_blocks",
    "levels",
    "list_conflicts",
    "list_corrections",
    "list_pieces",
    "list_properties",
    "list_target",
    "listing_target",
    "measure_block",
    "merge",
    "merge_groups",
    "mesh_cell",
    "mesh_cells",
    "mesh_target",
    "overlap_evidence",
    "parts_of_cell",
    "properties_target",
    "read_shaped",
    "segments_target",
    "shard_target",
    "tiles_corrected",
    "tiles_of_block",
    "trace_cell",
    "trace_cells",
    "trace_target",
    "volume_target",
    "write_block",
    "write_corrected",
    "write_shard",
    "written_voxel_size_nm",
]
