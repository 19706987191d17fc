"""A segment's surface from the pieces of all cells, at all levels of detail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.geometry import Triple, triple
from pipeline.reconciliation.shapes.cells import Cell
from pipeline.reconciliation.shapes.manifest import Fragments
from pipeline.reconciliation.shapes.surface import Surface, decoded, encoded, joined

Piece = tuple[bytes, bool]
"""A fragment, and whether the next level has it too, in the piece of a larger cell."""


def levels_of_detail(pieces: Mapping[Cell, Piece], levels: int, cell: Sequence[int]) -> list[Fragments]:
    """The fragments of each level, the finest first, until one holds all; of at most `levels`.

    `cell` is the extent of those of level 0, x, y, z. A part of the segment that ends within a cell has no
    piece in larger ones: there it is added as it was.
    """
    found: list[Fragments] = []
    ended: dict[Triple, Surface] = {}
    for level in range(levels):
        extent = np.array(cell, np.int64) << level
        own = {c.place: piece for c, piece in pieces.items() if c.level == level}
        fragments = {place: fragment for place, (fragment, _) in own.items()}
        for place, surface in ended.items():
            beside = [decoded(fragments[place], extent)] if place in fragments else []
            fragments[place] = encoded(joined([*beside, surface]), extent)
        found.append(fragments)
        if len(fragments) == 1:
            break
        ended |= {
            place: decoded(fragments[place], extent) for place, (_, goes_on) in own.items() if not goes_on
        }
        ended = _in_larger_cells(ended, extent)
    return found


def _in_larger_cells(surfaces: Mapping[Triple, Surface], extent: np.ndarray) -> dict[Triple, Surface]:
    """Those of cells of this extent, as the next level's have them."""
    parts: dict[Triple, list[Surface]] = defaultdict(list)
    for place, surface in sorted(surfaces.items(), key=lambda item: item[0]):
        by = (np.array(place) % 2)[::-1] * extent
        parts[triple([at // 2 for at in place])].append(surface.moved(by))
    return {place: joined(of) for place, of in parts.items()}
