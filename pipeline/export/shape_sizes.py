"""How long segments are by the skeletons that a run has stored of them, and how large by their surfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.export.shapes import StoredShapes

CABLE = ("cable_nm",)
SURFACE = ("mesh_area_nm2", "mesh_volume_um3")
"""Columns of a table, by the kind of shape that they are measured on."""
NM3_PER_UM3 = 1e9


@dataclass(frozen=True)
class ShapeSizes:
    """Measures what is `stored`: skeletons of the `traced` segments, surfaces of the `meshed` ones, uint64;
    None where there are none."""

    stored: StoredShapes
    traced: np.ndarray | None = None
    meshed: np.ndarray | None = None
    parts: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Of an object that is several segments, these: it has the shapes of all."""

    def columns(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """Of every id, uint64, what is known of it, a float or, where it has no such shape, `""`.

        Raises InputError where a shape cannot be read.
        """
        found: dict[str, np.ndarray] = {}
        for names, shaped, measure in (
            (CABLE, self.traced, self._cable),
            (SURFACE, self.meshed, self._surface),
        ):
            if shaped is not None:
                found |= dict(zip(names, self._measured(ids, shaped, measure, len(names))))
        return found

    def _measured(
        self, ids: np.ndarray, shaped: np.ndarray, measure: Callable[[int], tuple[float, ...]], count: int
    ) -> np.ndarray:
        """`count` columns, (count, n): sums over the parts of each object that have a shape."""
        there, columns = set(shaped.tolist()), np.full((count, len(ids)), "", object)
        for row, i in enumerate(ids.tolist()):
            own = [measure(part) for part in self.parts.get(i, (i,)) if part in there]
            if own:
                columns[:, row] = np.sum(own, axis=0)
        return columns

    def _cable(self, segment: int) -> tuple[float]:
        """The length of all edges."""
        nodes, edges, _ = self.stored.skeleton(segment)
        return (float(np.linalg.norm(np.diff(nodes.astype(np.float64)[edges], axis=1), axis=2).sum()),)

    def _surface(self, segment: int) -> tuple[float, float]:
        """The area of all triangles, and the volume that they enclose."""
        corners, triangles = self.stored.surface(segment)
        a, b, c = (corners - corners[:1]).astype(np.float64)[triangles].transpose(1, 0, 2)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
        return float(area), float((a * np.cross(b, c)).sum() / 6 / NM3_PER_UM3)
