"""What Neuroglancer is told of a surface: of which fragments it is, at which levels of detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.geometry import Triple

Fragments = Mapping[Triple, bytes]
"""By the place of the cell that each is in, z, y, x."""


def multiresolution(
    levels: Sequence[Fragments], cell_nm: Sequence[float], detail_nm: float
) -> tuple[bytes, bytes]:
    """The fragments, one after the other, and the manifest that finds them (neuroglancer_multilod_draco).

    `levels` are the finest first, each of cells twice as long as the one before; `cell_nm` is the length of
    those of the finest, x, y, z, and `detail_nm` how long its triangles are, more or less. A cell with parts
    has a fragment, be it an empty one.
    """
    ordered = [sorted(level.items(), key=lambda item: _z_order(item[0])) for level in levels]
    words = [
        np.array([*cell_nm, 0, 0, 0], "<f4"),
        np.array([len(levels)], "<u4"),
        np.array([detail_nm * 2**level for level in range(len(levels))], "<f4"),
        np.zeros((len(levels), 3), "<f4"),
        np.array([len(level) for level in ordered], "<u4"),
    ]
    for level in ordered:
        words.append(np.array([place[::-1] for place, _ in level], "<u4").T)
        words.append(np.array([len(content) for _, content in level], "<u4"))
    fragments = b"".join(content for level in ordered for _, content in level)
    return fragments, b"".join(word.tobytes() for word in words)


def _z_order(place: Triple) -> int:
    """One bit after the other is of the place along x, y, z, the lowest first."""
    z, y, x = place
    bits = max(place).bit_length()
    return sum((n >> bit & 1) << 3 * bit + axis for bit in range(bits) for axis, n in enumerate((x, y, z)))
