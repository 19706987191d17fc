"""Oversegmentation consensus: two voxels are of one object where all segmentations say so."""

from __future__ import annotations

from collections.abc import Sequence

import cc3d
import fastremap
import numpy as np


def split_consensus(segmentations: Sequence[np.ndarray], min_voxels: int) -> np.ndarray:
    """The pieces into which several segmentations of one box cut the first of them; uint32 (z, y, x).

    All are uint32 (z, y, x), 0 is unsegmented. A piece is a connected set of voxels, over faces, edges and
    corners, that each segmentation has in one of its segments, or leaves blank. What the first leaves blank
    stays blank, and pieces of fewer than `min_voxels` become so. Ids are 1, 2, 3 ... in the order of the
    pieces' first voxels. This is the split consensus of Januszewski et al. 2018, as google/ffn computes it,
    of connected pieces.
    """
    first, *others = segmentations
    common = first
    for other in others:
        both = common.astype(np.uint64) << np.uint64(32) | other
        both[first == 0] = 0
        common, _ = fastremap.renumber(both, in_place=True)
    pieces = cc3d.connected_components(common, connectivity=26)
    sizes = np.bincount(pieces.ravel())
    pieces[sizes[pieces] < min_voxels] = 0
    return fastremap.renumber(pieces, in_place=True)[0].astype(np.uint32)
