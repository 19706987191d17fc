"""Surfaces of segments: triangles whose corners are whole steps of a lattice, so that they fit exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import fastremap
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.reconciliation.shapes.stored import QUANTIZATION_BITS
from pipeline.volumes import VoxelSize

REDUCTION = 100
"""Triangles become so many times fewer at most, where the error allows."""
STEPS = 8
"""Of the lattice, to a voxel's shortest side."""
MOST_STEPS = 1 << 20
"""What zmesh can represent when it makes a surface simpler."""


@dataclass(frozen=True, eq=False)
class Surface:
    """`corners` int64 (n, 3), x, y, z in steps from where the cell begins; `triangles` uint32 (m, 3)."""

    corners: np.ndarray
    triangles: np.ndarray
    is_full: bool = False
    """Whether it has triangles that zmesh should have spared, and failed to."""

    def moved(self, by: np.ndarray) -> Surface:
        """The surface as another cell sees it, which begins so many steps (x, y, z) before."""
        return Surface(self.corners + by, self.triangles, self.is_full)


NOTHING = Surface(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.uint32))


@dataclass(frozen=True)
class Lattice:
    """Steps to a voxel, and to a cell of level 0; x, y, z. Those to a voxel are even: surfaces of voxels have
    their corners on whole steps."""

    voxel: Triple
    cell: Triple

    @classmethod
    def of(cls, side: Triple, voxel_size_nm: VoxelSize) -> Lattice:
        """For cells of `side` voxels; z, y, x. Steps are about as long along all axes."""
        shortest = min(voxel_size_nm)
        x, y, z = (2 * round(STEPS / 2 * size / shortest) for size in voxel_size_nm[::-1])
        return cls((x, y, z), (x * side[2], y * side[1], z * side[0]))

    @property
    def levels(self) -> int:
        """Of cells, as many as are not too large to be made simpler."""
        return max(1, (MOST_STEPS // max(self.cell)).bit_length() + 1)


def zmesh_or_mend() -> ModuleType:
    """The package that makes surfaces. Raises InputError where it, or DracoPy, is not installed."""
    try:
        import DracoPy  # noqa: F401
        import zmesh
    except ImportError as error:
        raise InputError(
            f"reconciliation.meshes is true, and a library for it cannot be imported ({error}): "
            "pip install 'zmesh>=1.15' 'DracoPy>=1.5', or set it to false"
        ) from None
    return zmesh


def surfaces(labels: np.ndarray, lattice: Lattice) -> Iterator[tuple[int, Surface]]:
    """The surface of each segment of a cell, by ascending id; off by about a voxel's shortest side.

    `labels` are uint64 (z, y, x) in which 0 is none. The cell begins and ends in the middle of its first and
    last voxels; surfaces that go on there are open, and none goes beyond, where zmesh puts a corner now and
    then. One that it cannot make simpler has all its triangles.
    """
    zmesh = zmesh_or_mend()
    dense, names = fastremap.renumber(labels, preserve_zero=True)
    number = {int(i): int(n) for i, n in names.items() if i}
    mesher = zmesh.Mesher(tuple(n / 2 for n in lattice.voxel))
    mesher.mesh(np.asfortranarray(dense.T))
    for i in sorted(number):
        found = mesher.get(number[i], reduction_factor=REDUCTION, max_error=STEPS / 2)
        is_full = not np.isfinite(found.vertices).all()
        if is_full:
            found = mesher.get(number[i])
        mesher.erase(number[i])
        if len(found.faces):
            corners = np.clip(np.rint(found.vertices * 2).astype(np.int64), 0, lattice.cell)
            yield i, Surface(corners, found.faces, is_full)


def joined(parts: Sequence[Surface]) -> Surface:
    """Several surfaces as one; corners stay as many as they are."""
    firsts = np.cumsum([0, *(len(part.corners) for part in parts)])
    triangles = [part.triangles + np.uint32(first) for part, first in zip(parts, firsts)]
    return Surface(np.concatenate([part.corners for part in parts]), np.concatenate(triangles))


def simpler(surface: Surface, error: float, extent: np.ndarray) -> Surface:
    """Of fewer triangles, off by about `error` steps more. Its open edges stay as they are.

    Corners of the same place become one: where parts of it met, there is no seam any more. What is made stays
    between 0 and `extent`, x, y, z.
    """
    zmesh = zmesh_or_mend()
    corners, same = np.unique(surface.corners, axis=0, return_inverse=True)
    triangles = same.reshape(-1)[surface.triangles]
    flat = (triangles == np.roll(triangles, 1, axis=1)).any(axis=1)
    given = zmesh.Mesh((corners / 2).astype(np.float32), triangles[~flat].astype(np.uint32), None)
    if not len(given.faces):
        return NOTHING
    made = zmesh.Mesher((1, 1, 1)).simplify(given, reduction_factor=REDUCTION, max_error=error / 2)
    is_full = not np.isfinite(made.vertices).all()  # as now and then happens to a few of them
    if is_full:
        made = given
    return Surface(np.clip(np.rint(made.vertices * 2).astype(np.int64), 0, extent), made.faces, is_full)


def goes_on(surface: Surface, extent: np.ndarray) -> bool:
    """Whether some of it lies where a cell of this extent ends."""
    return bool(((surface.corners == 0) | (surface.corners == extent)).any())


def encoded(surface: Surface, extent: np.ndarray) -> bytes:
    """As Draco has it, its corners in 2^16 - 1 parts of the extent; equal surfaces give equal bytes.

    Nothing where there are no triangles.
    """
    import DracoPy

    if not len(surface.triangles):
        return b""
    scale = (2**QUANTIZATION_BITS - 1) / extent
    return DracoPy.encode(np.rint(surface.corners * scale).astype(np.uint32), surface.triangles)


def decoded(content: bytes, extent: np.ndarray) -> Surface:
    """The inverse of `encoded`, as far as that has kept it."""
    import DracoPy

    if not content:
        return NOTHING
    found = DracoPy.decode(content)
    scale = extent / (2**QUANTIZATION_BITS - 1)
    return Surface(np.rint(found.points * scale).astype(np.int64), found.faces.astype(np.uint32))
