"""Where things are: boxes of voxels, and the grid of overlapping tiles that covers one.

Every triple is (z, y, x) in voxels. Intervals are half open, as in Python.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeAlias, TypeVar

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


@dataclass(frozen=True, order=True)
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
        """Index of this box in an array whose first voxel is `origin`."""
        z, y, x = (slice(a - o, b - o) for a, b, o in zip(self.start, self.stop, origin))
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


@dataclass(frozen=True, order=True)
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


@dataclass(frozen=True)
class TileGrid:
    """Tiles of one shape that cover `box`, neighbours sharing at least `overlap` voxels.

    Along each axis tiles start every (tile - overlap) voxels; the last is moved back so that it
    ends with the box, and an axis shorter than a tile has one tile of the axis' own length.
    Tiles are numbered in z, y, x order. Raises ValueError when an overlap is not below the tile.
    """

    box: Box
    tile_shape: Triple
    overlap: Triple

    def __post_init__(self) -> None:
        if self.box.is_empty:
            raise ValueError(f"box {self.box} is empty: there is nothing to tile")
        for name, t, o in zip("zyx", self.tile_shape, self.overlap):
            if not 0 <= o < t:
                raise ValueError(f"overlap {o} along {name} must be at least 0 and less than the tile's {t}")

    @property
    def shape(self) -> Triple:
        """Number of tiles along each axis."""
        return triple([len(axis.starts) for axis in self._axes])

    def __len__(self) -> int:
        z, y, x = self.shape
        return z * y * x

    @property
    def tiled_lengths(self) -> Triple:
        """Along each axis the lengths of all tiles added up."""
        return triple([sum(axis.stops) - sum(axis.starts) for axis in self._axes])

    @property
    def tiled_voxels(self) -> int:
        """Voxels of all tiles together: those in overlaps count as often as they are segmented."""
        return math.prod(self.tiled_lengths)

    def __iter__(self) -> Iterator[Tile]:
        return iter(self.intersecting(self.box))

    def intersecting(self, box: Box) -> list[Tile]:
        """The tiles that share voxels with `box`, in order of index; no other tile is looked at."""
        return self._where(box, self._boxes)

    def with_cores_in(self, box: Box) -> tuple[Tile, ...]:
        """The tiles whose cores share voxels with `box`, in order of index; no other tile is looked at."""
        return _with_cores_in(self, box)

    def neighbours(self, tile: Tile) -> list[Tile]:
        """The other tiles that share voxels with `tile`, in order of index."""
        return [other for other in self.intersecting(tile.box) if other.index != tile.index]

    def later_neighbours(self, tile: Tile) -> tuple[Tile, ...]:
        """Those of the neighbours whose index is higher."""
        return _later_neighbours(self, tile)

    def pairs(self) -> list[tuple[Tile, Tile]]:
        """Every two tiles that share voxels, the lower index first, in order of index."""
        return [(a, b) for a in self for b in self.later_neighbours(a)]

    @cached_property
    def _axes(self) -> list[_Axis]:
        return [_axis(*along) for along in zip(self.box.start, self.box.stop, self.tile_shape, self.overlap)]

    @cached_property
    def _boxes(self) -> Edges:
        return [(axis.starts, axis.stops) for axis in self._axes]

    @cached_property
    def _cores(self) -> Edges:
        return [(axis.cuts[:-1], axis.cuts[1:]) for axis in self._axes]

    @cached_property
    def _made(self) -> dict[int, Tile]:
        """Tiles by index, each made once: in a large grid a tile is asked for some twenty times."""
        return {}

    def _tile(self, index: int) -> Tile:
        made = self._made.get(index)
        if made is None:
            az, ay, ax = self._axes
            row, x = divmod(index, len(ax.starts))
            z, y = divmod(row, len(ay.starts))
            box = Box((az.starts[z], ay.starts[y], ax.starts[x]), (az.stops[z], ay.stops[y], ax.stops[x]))
            start, stop = (
                (az.cuts[z], ay.cuts[y], ax.cuts[x]),
                (az.cuts[z + 1], ay.cuts[y + 1], ax.cuts[x + 1]),
            )
            made = self._made[index] = Tile(index, box, Box(start, stop))
        return made

    def _where(self, box: Box, edges: Edges, first: int = 0) -> list[Tile]:
        """The tiles from index `first` at whose positions along every axis the interval from `edges` meets
        `box`.

        `edges` are, for each axis, where the intervals start and where they stop, both ascending.
        """
        if box.is_empty:
            return []
        z, y, x = (
            range(bisect_right(stops, start), bisect_left(starts, stop))
            for (starts, stops), start, stop in zip(edges, box.start, box.stop)
        )
        ny, nx = len(edges[1][0]), len(edges[2][0])
        return [
            self._tile(index) for k in z for j in y for i in x if (index := (k * ny + j) * nx + i) >= first
        ]


@lru_cache(maxsize=64)
def _with_cores_in(grid: TileGrid, box: Box) -> tuple[Tile, ...]:
    """Kept for a moment: whoever plans the task of a block asks several times."""
    return tuple(grid._where(box, grid._cores))


@lru_cache(maxsize=64)
def _later_neighbours(grid: TileGrid, tile: Tile) -> tuple[Tile, ...]:
    """Kept for a moment, as above."""
    return tuple(grid._where(tile.box, grid._boxes, tile.index + 1))


class _Axis(NamedTuple):
    """Along one axis, ascending: where tiles start and stop, and the ends of their cores."""

    starts: list[int]
    stops: list[int]
    cuts: list[int]


@lru_cache(maxsize=64)
def _axis(first: int, end: int, tile: int, overlap: int) -> _Axis:
    """Kept, since every tile of a large grid asks for it."""
    last = max(first, end - tile)
    starts = [*range(first, last, tile - overlap), last]
    stops = [min(start + tile, end) for start in starts]
    middles = [(stop + start) // 2 for stop, start in zip(stops, starts[1:])]
    return _Axis(starts, stops, [first, *middles, end])


def _add(a: Triple, b: Triple) -> Triple:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _sub(a: Triple, b: Triple) -> Triple:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]
