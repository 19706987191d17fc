"""Surfaces and skeletons of segments as files of other programs: OBJ and SWC, in nm, x, y, z."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from pipeline.errors import InputError
from pipeline.machine.s3_host import by_alias

UNDEFINED = 0
"""SWC's kind of a node of which nobody knows whether it is of an axon or a dendrite."""


class StoredShapes:
    """The surfaces and skeletons that the precomputed volume at `uri` has of its segments."""

    def __init__(self, uri: str) -> None:
        from cloudvolume import CloudVolume  # imports much

        self._uri = uri
        self._cloud: Any = CloudVolume(by_alias(uri), progress=False)

    def surface(self, segment: int, level: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The surface of a segment, by default the finest: corners, (n, 3) float32, and triangles, (m, 3)
        rows of these. Where it has no such level, nothing.
        """
        found = self._read(segment, lambda: self._cloud.mesh.get(segment, lod=level).get(segment))
        if found is None:
            return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint32)
        return found.vertices, found.faces.reshape(-1, 3)

    def bytes_of_surface(self, segment: int) -> list[int]:
        """How many bytes the surface of a segment is stored in at each of its levels, the finest first."""
        manifest = self._read(segment, lambda: self._cloud.mesh.get_manifest(segment))
        return [int(of_level.sum()) for of_level in manifest.fragment_offsets]

    def skeleton(self, segment: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The lines of a segment: nodes, (n, 3) float32, edges, (m, 2) rows of these, and radii, (n,)."""
        found = self._read(segment, lambda: self._cloud.skeleton.get(segment))
        return found.vertices, found.edges, found.radii

    def _read(self, segment: int, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except Exception as error:  # a torn file fails in as many ways as there are codecs
            raise InputError(
                f"{self._uri}: cannot read the shape of segment {segment}: {' '.join(str(error).split())}"
            ) from None


def write_obj(shapes: StoredShapes, objects: Mapping[int, Sequence[int]], path: Path) -> None:
    """Write the surfaces of objects, each of some segments, as one OBJ file with a group an object.

    Triangles turn counter-clockwise, seen from outside. Raises InputError where one cannot be read.
    """
    with path.open("w") as file:
        file.write("# x, y, z in nm\n")
        first = 1  # corners of all objects are counted on
        for name, segments in objects.items():
            file.write(f"o segment_{name}\n")
            for segment in segments:
                corners, triangles = shapes.surface(segment)
                np.savetxt(file, corners, "v %.2f %.2f %.2f")
                np.savetxt(file, triangles.astype(np.int64) + first, "f %d %d %d")
                first += len(corners)


def write_swc(shapes: StoredShapes, segments: Sequence[int], path: Path) -> None:
    """Write the skeleton of an object of some segments as SWC: a tree for each part that hangs together.

    Raises InputError where one cannot be read.
    """
    rows = [row for segment in segments for row in _trees(*shapes.skeleton(segment))]
    before = np.cumsum([0, *(len(tree) for tree in rows)])
    with path.open("w") as file:
        file.write("# id, kind, x, y, z, radius, parent; lengths in nm\n")
        for tree, first in zip(rows, before):
            tree[:, 0] += first
            tree[:, 6] = np.where(tree[:, 6] < 0, -1, tree[:, 6] + first)
            np.savetxt(file, tree, "%d %d %.2f %.2f %.2f %.2f %d")


def _trees(nodes: np.ndarray, edges: np.ndarray, radii: np.ndarray) -> Iterable[np.ndarray]:
    """Each part of a skeleton that hangs together, from one of its ends on: (n, 7), the columns of SWC.

    Nodes count from 1; the parent of the first is -1.
    """
    ones = np.ones(len(edges), bool)
    graph = csr_array((ones, (edges[:, 0], edges[:, 1])), shape=(len(nodes), len(nodes)))
    degree = np.bincount(edges.reshape(-1), minlength=len(nodes))
    count, part = connected_components(graph, directed=False)
    for number in range(count):
        own = np.flatnonzero(part == number)
        root = own[np.argmin(degree[own])]
        order, parents = breadth_first_order(graph, root, directed=False)
        place = np.full(len(nodes), -1)
        place[order] = np.arange(1, len(order) + 1)
        above = np.array([-1, *place[parents[order[1:]]]])
        kind = np.full(len(order), UNDEFINED)
        yield np.column_stack([place[order], kind, nodes[order], radii[order], above])
