"""Skeletons: traced neurites, against which a segmentation's run length is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box
from pipeline.volumes import VoxelSize

LEAST_SIZE_NM = 2.0
"""Of voxels: of smaller ones nm and voxels are hardly told apart."""

MOSTLY, MUCH = 0.95, 0.4
"""Shares of the nodes, and of a volume's side, from which on coordinates look like another unit."""

ROUNDING = 1e-3
"""In voxels: how far below a whole number a node may lie and still be of that voxel; files round."""


@dataclass(frozen=True, eq=False)
class Skeletons:
    """The nodes and edges of all skeletons.

    `names` has one a skeleton; `nodes_nm` is (nodes, 3) float64, z, y, x in nm; `owner` (nodes,) int64 says
    of each node which skeleton it is of, as an index of `names`; `edges` is (edges, 2) int64, two nodes each.
    """

    names: tuple[str, ...]
    nodes_nm: NDArray[np.float64]
    owner: NDArray[np.int64]
    edges: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Skeletons:
        """Of single skeletons: name, nodes z, y, x in nm, and edges that count from its own first node."""
        firsts = np.cumsum([0, *(len(nodes) for _, nodes, _ in parts)])
        nodes = [np.asarray(nodes, np.float64).reshape(-1, 3) for _, nodes, _ in parts]
        edges = [
            np.asarray(edges, np.int64).reshape(-1, 2) + first for (_, _, edges), first in zip(parts, firsts)
        ]
        return cls(
            tuple(name for name, _, _ in parts),
            np.concatenate([np.zeros((0, 3)), *nodes]),
            np.repeat(np.arange(len(parts)), np.diff(firsts)),
            np.concatenate([np.zeros((0, 2), np.int64), *edges]),
        )

    @property
    def lengths_nm(self) -> NDArray[np.float64]:
        """Length of every edge."""
        ends = self.nodes_nm[self.edges]
        return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)

    def voxels(self, voxel_size_nm: VoxelSize) -> NDArray[np.int64]:
        """The voxel that each node lies in: (nodes, 3), z, y, x; voxel v begins at v * its size."""
        return np.floor(self.nodes_nm / voxel_size_nm + ROUNDING).astype(np.int64)

    def lies_in(self, box: Box, voxel_size_nm: VoxelSize) -> NDArray[np.bool_]:
        """Which nodes lie in a box of voxels, (nodes,) bool."""
        voxels = self.voxels(voxel_size_nm)
        return np.all((voxels >= box.start) & (voxels < box.stop), axis=1)

    def inside(self, box: Box, voxel_size_nm: VoxelSize) -> Skeletons:
        """The nodes that lie in a box of voxels, and the edges between two of them; all names stay."""
        return self.where(self.lies_in(box, voxel_size_nm))

    def where(self, kept: NDArray[np.bool_]) -> Skeletons:
        """The nodes that are `kept`, (nodes,) bool, and the edges between two of them; all names stay."""
        number = np.cumsum(kept) - 1
        edges = self.edges[kept[self.edges].all(axis=1)]
        return Skeletons(self.names, self.nodes_nm[kept], self.owner[kept], number[edges])

    def other_unit(self, box: Box, voxel_size_nm: VoxelSize) -> str | None:
        """A unit other than nm in which the coordinates would fill a volume of such a box; None for none.

        As that nearly all nodes would lie in it, spread over much of it along some axis. True nm do so only
        where all skeletons are in a corner: with voxels of 10 nm, its first tenth.
        """
        z, y, x = voxel_size_nm
        units: dict[str, VoxelSize] = {"um": (z / 1000, y / 1000, x / 1000)}
        if min(voxel_size_nm) >= LEAST_SIZE_NM:
            units["voxels"] = (1.0, 1.0, 1.0)
        for unit, size in units.items():
            voxels = self.inside(box, size).voxels(size)
            is_inside = len(voxels) >= max(1, MOSTLY * len(self.nodes_nm))
            if is_inside and np.any(np.ptp(voxels, axis=0) > MUCH * np.array(box.shape)):
                return unit
        return None
