"""Evidence and merged volumes without files, for laws that take many cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.config import Reconciliation
from pipeline.geometry import Box, Tile
from pipeline.reconciliation import IdTable, merge_groups, overlap_evidence
from pipeline.reconciliation.clashes import Side, concatenate_clashes, find_clashes
from pipeline.reconciliation.evidence import TileEvidence
from pipeline.reconciliation.group import gathered
from pipeline.reconciliation.id_table import TileIds
from pipeline.reconciliation.overlap import concatenate
from pipeline.tile_grid import TileGrid

Labels = dict[int, np.ndarray]


def evidence_of(grid: TileGrid, labels: Labels, settings: Reconciliation) -> list[TileEvidence]:
    """What `find_evidence` finds where every tile sees all of its box."""
    found = []
    for tile in grid:
        neighbours = [n for n in grid.neighbours(tile) if n.index > tile.index]
        tables, clashes = [], []
        for other in neighbours:
            overlap = tile.box & other.box
            ours = Side(tile.index, part(tile, overlap, labels))
            theirs = Side(other.index, part(other, overlap, labels))
            table = overlap_evidence(ours.labels, theirs.labels)
            clashes.append(find_clashes(ours, theirs, table, overlap, tile.box, settings))
            clashes.append(find_clashes(theirs, ours, table.swapped, overlap, other.box, settings))
            tables.append(table)
        ids, voxels = np.unique(labels[tile.index][labels[tile.index] != 0], return_counts=True)
        in_core = np.isin(ids, part(tile, tile.core, labels))
        neighbour = np.repeat([n.index for n in neighbours], [len(t) for t in tables]).astype(int)
        all_clashes = concatenate_clashes(clashes)
        of_tile = (tile.index, ids, voxels, in_core, neighbour, concatenate(tables), 0, all_clashes)
        found.append(TileEvidence(*of_tile))
    return found


def merge_segments(evidence: Sequence[TileEvidence], settings: Reconciliation) -> IdTable:
    """The merge of a volume whose tiles are in three groups, those of one never side by side in a row."""
    of = [[e for e in evidence if e.tile % 3 == group] for group in range(3)]
    return merge_groups([gathered(tiles, settings) for tiles in of if tiles], settings)[0]


def part(tile: Tile, box: Box, labels: Labels) -> np.ndarray:
    """The labels that a tile has in a part of its box."""
    return labels[tile.index][box.slices(tile.box.start)]


def ids_of(table: IdTable, index: int) -> TileIds:
    """The rows of one tile."""
    rows = slice(*table.offsets[index : index + 2])
    return TileIds(table.local_ids[rows], table.global_ids[rows])
