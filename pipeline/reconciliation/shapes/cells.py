"""The cells in which shapes are made: cubes of a grid, eight of which are one of the next level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from pipeline.geometry import Box, Triple, triple
from pipeline.run_folder import Run


@dataclass(frozen=True, order=True)
class Cell:
    """One of a grid's cells; `place` counts those of its level along z, y, x."""

    level: int
    place: Triple


@dataclass(frozen=True)
class CellGrid:
    """Cells of `side` voxels that cover all of `box`, and what is half a voxel around it.

    They meet in the middle of voxels, where the surfaces of two cells fit: the first begins half a voxel
    before the box. A cell of level n is one of 2^n x 2^n x 2^n of level 0, as far as there are some.
    """

    box: Box
    side: Triple

    @classmethod
    def of(cls, run: Run) -> CellGrid:
        """Of about as many cells as the volume has blocks, and not much larger than these."""
        box, block = run.inference_box, run.config.reconciliation.block
        counts = [-(-n // b) for n, b in zip(box.shape, block)]
        return cls(box, triple([-(-(n + 1) // count) for n, count in zip(box.shape, counts)]))

    def shape(self, level: int = 0) -> Triple:
        """Cells of a level along each axis."""
        return triple([-(-(n + 1) // (side << level)) for n, side in zip(self.box.shape, self.side)])

    @property
    def levels(self) -> int:
        """As many as it takes until one cell holds all."""
        return 1 + (max(self.shape()) - 1).bit_length()

    def cells(self, level: int) -> list[Cell]:
        """Those of a level, in z, y, x order."""
        return [Cell(level, triple(place)) for place in product(*map(range, self.shape(level)))]

    def count(self, levels: int) -> int:
        """Those of the first so many levels."""
        return sum(math.prod(self.shape(level)) for level in range(levels))

    def parts(self, cell: Cell) -> list[Cell]:
        """The cells of the level before that make up one, in z, y, x order."""
        shape = self.shape(cell.level - 1)
        along = [range(2 * at, min(2 * at + 2, n)) for at, n in zip(cell.place, shape)]
        return [Cell(cell.level - 1, triple(place)) for place in product(*along)]

    def start(self, cell: Cell) -> Triple:
        """The voxel in whose middle a cell ends is the one before this."""
        return triple(
            [o + (at * side << cell.level) for o, at, side in zip(self.box.start, cell.place, self.side)]
        )

    def reach(self, cell: Cell) -> Box:
        """The voxels that a cell of level 0 sees. Neighbours share a layer; some are outside `box`."""
        start = triple([at - 1 for at in self.start(cell)])
        return Box.of_shape(triple([side + 1 for side in self.side]), start)
