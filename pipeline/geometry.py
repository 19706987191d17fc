"""Where things are: boxes of voxels.

Every triple is (z, y, x) in voxels. Intervals are half open, as in Python.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

Triple: TypeAlias = tuple[int, int, int]
Slices: TypeAlias = tuple[slice, slice, slice]
Edges: TypeAlias = Sequence[tuple[Sequence[int], Sequence[int]]]

Item = TypeVar("Item")


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[i * (len(items) - 1) // max(1, most - 1)] for i in range(most)]


def triple(values: object) -> Triple:
    """Return three ints; raises ValueError when `values` is anything else."""
    if not isinstance(values, (tuple, list)) or len(values) != 3:
        raise ValueError(f"expected three numbers z, y, x; got {values!r}")
    z, y, x = (int(v) for v in values)
    return z, y, x


@dataclass(frozen=True, order=True, slots=True)
class Box:
    """The voxels from `start` up to, not including, `stop`.

    A box may be empty (some stop <= start); it then has size 0 and intersects nothing.
    """

    start: Triple
    stop: Triple

    @classmethod
    def of_shape(cls, shape: Triple, start: Triple = (0, 0, 0)) -> Box:
        """The box of `shape` voxels whose first voxel is `start`."""
        return cls(start, _add(start, shape))

    @classmethod
    def around(cls, boxes: Sequence[Box]) -> Box:
        """The smallest box that contains all of some boxes, one at least, none of them empty."""
        starts, stops = zip(*((box.start, box.stop) for box in boxes))
        return cls(triple([min(at) for at in zip(*starts)]), triple([max(at) for at in zip(*stops)]))

    @classmethod
    def parse(cls, text: str) -> Box:
        """Read `"z0:z1,y0:y1,x0:x1"`; raises ValueError that shows the text and the form expected."""
        try:
            pairs = [tuple(int(v) for v in part.split(":")) for part in text.split(",")]
            (z0, z1), (y0, y1), (x0, x1) = pairs
        except ValueError:
            raise ValueError(f"box {text!r} is not of the form z0:z1,y0:y1,x0:x1") from None
        box = cls((z0, y0, x0), (z1, y1, x1))
        if box.is_empty:
            raise ValueError(f"box {text!r} is empty: each stop must be greater than its start")
        return box

    def __str__(self) -> str:
        (z0, y0, x0), (z1, y1, x1) = self.start, self.stop
        return f"{z0}:{z1},{y0}:{y1},{x0}:{x1}"

    @property
    def shape(self) -> Triple:
        """Voxels along each axis; 0 where the box is empty."""
        return triple([max(0, b - a) for a, b in zip(self.start, self.stop)])

    @property
    def size(self) -> int:
        """Number of voxels."""
        z, y, x = self.shape
        return z * y * x

    @property
    def is_empty(self) -> bool:
        return any(b <= a for a, b in zip(self.start, self.stop))

    def contains(self, other: Box) -> bool:
        """Whether every voxel of `other` lies in this box."""
        return other.is_empty or self & other == other

    def __and__(self, other: Box) -> Box:
        """The voxels that lie in both; possibly empty."""
        start = triple([max(a, b) for a, b in zip(self.start, other.start)])
        stop = triple([min(a, b) for a, b in zip(self.stop, other.stop)])
        return Box(start, stop)

    def grow(self, margin: Triple) -> Box:
        """The box with `margin` voxels added on both sides of each axis (negative: taken away)."""
        return Box(_sub(self.start, margin), _add(self.stop, margin))

    def translate(self, offset: Triple) -> Box:
        """The box moved by `offset`."""
        return Box(_add(self.start, offset), _add(self.stop, offset))

    def slices(self, origin: Triple = (0, 0, 0)) -> Slices:
        """Index of this box in an array whose first voxel is `origin`; of an empty box nothing is in it."""
        # a stop before the first voxel would count from the array's end
        z, y, x = (slice(a - o, max(a, b) - o) for a, b, o in zip(self.start, self.stop, origin))
        return z, y, x

    def blocks(self, shape: Triple, origin: Triple = (0, 0, 0)) -> list[Box]:
        """Disjoint boxes of at most `shape` that together are this box, aligned to multiples of `shape`.

        Alignment is to `origin`, not to `start`, so that two boxes cut with one shape and origin never share
        a chunk of a chunked volume only in part.
        """
        z, y, x = (
            [(max(at, a), min(at + side, b)) for at in starts]
            for starts, side, a, b in zip(self._block_starts(shape, origin), shape, self.start, self.stop)
        )
        return [Box((z0, y0, x0), (z1, y1, x1)) for z0, z1 in z for y0, y1 in y for x0, x1 in x]

    def parts(self, shape: Triple) -> list[Box]:
        """As `blocks`, but counted from the box's own start."""
        return self.blocks(shape, self.start)

    def whole_parts(self, shape: Triple, meeting: Box) -> list[Box]:
        """Those of `parts` that share voxels with `meeting`; no others are made."""
        wanted = meeting & self
        z, y, x = (
            slice((a - o) // s * s + o, min(-(-(b - o) // s) * s + o, end))
            for a, b, o, end, s in zip(wanted.start, wanted.stop, self.start, self.stop, shape)
        )
        return Box((z.start, y.start, x.start), (z.stop, y.stop, x.stop)).blocks(shape, self.start)

    def count_blocks(self, shape: Triple) -> int:
        """How many `blocks` there are; none is made."""
        return math.prod(len(starts) for starts in self._block_starts(shape))

    def spread_blocks(self, shape: Triple, most: int) -> list[Box]:
        """At most `most` of `blocks`, evenly spread in their order, however many there are."""
        z, y, x = self._block_starts(shape)
        chosen = []
        for index in spread(range(self.count_blocks(shape)), most):
            row, k = divmod(index, len(x))
            plane, j = divmod(row, len(y))
            start = (z[plane], y[j], x[k])
            chosen.append(Box.of_shape(shape, start) & self)
        return chosen

    def _block_starts(self, shape: Triple, origin: Triple = (0, 0, 0)) -> list[range]:
        return [range(a - (a - o) % s, b, s) for a, b, s, o in zip(self.start, self.stop, shape, origin)]


@dataclass(frozen=True, order=True, slots=True)
class Tile:
    """One overlapping piece of a volume, segmented on its own.

    `core` is the part of `box` that no other tile's core shares: overlaps are cut in the middle.
    """

    index: int
    box: Box
    core: Box

    @property
    def name(self) -> str:
        """Stable file-name stem: where the tile starts."""
        return "z{:06d}_y{:06d}_x{:06d}".format(*self.box.start)


def _add(a: Triple, b: Triple) -> Triple:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _sub(a: Triple, b: Triple) -> Triple:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]
