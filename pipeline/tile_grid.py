"""The grid of overlapping tiles that a box is segmented in."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeAlias

from pipeline.geometry import Box, Tile, Triple, triple

Edges: TypeAlias = Sequence[tuple[Sequence[int], Sequence[int]]]


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
