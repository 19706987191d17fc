"""SectionPicture: a section as one image, looked up in its tiles where it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from pipeline.sections.tiles import ImageTile, TileSection

MARGIN = 12
"""Pixels around what is asked for that a cubic spline is fitted to: beyond, nothing of it is felt."""


class SectionPicture:
    """The tiles of a section by their montage, blended where they overlap; a few are in memory at a time.

    `montage` is what `make_montage` wrote. Coordinates are those of the montage, in pixels.
    """

    def __init__(self, section: TileSection, montage: dict[str, Any]) -> None:
        self._tiles = [
            (tile, np.array(montage["places"][tile.name]), *montage["contrast"][tile.name])
            for tile in section.tiles
        ]

    def sample(self, coordinates: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Values at coordinates (2, h, w), float32 (h, w), by splines of `order`; and where there is a tile.

        Without a tile the value is 0. A tile counts the more the further from its edge it is looked at.
        Between the last pixel of a tile and the first of one that begins right behind it there is no gap.
        """
        shape = coordinates.shape[1:]
        low, high = coordinates.min(axis=(1, 2)), coordinates.max(axis=(1, 2))
        total, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for tile, place, factor, summand in self._tiles:
            if (low > place + tile.shape).any() or (high < place).any():
                continue
            local = coordinates - place[:, None, None]
            weight = _distance_to_edge(local, tile.shape)
            inside = weight > 0
            if inside.any():
                values = factor * _looked_up(tile, local[:, inside], order) + summand
                total[inside] += weight[inside] * values
                weights[inside] += weight[inside]
        if not weights.all():
            self._bridge(coordinates, total, weights, order)
        there = weights > 0
        return np.divide(total, weights, out=total, where=there), there

    def _bridge(self, coordinates: np.ndarray, total: np.ndarray, weights: np.ndarray, order: int) -> None:
        """Where `weights` are 0 add to `total` and to them what the tiles have that end within a pixel, by
        how near that is, if there are some on both sides."""
        gaps = weights == 0
        low, high = coordinates.min(axis=(1, 2)), coordinates.max(axis=(1, 2))
        before, behind = np.zeros((2, *coordinates.shape), bool)
        for tile, place, factor, summand in self._tiles:
            if (low >= place + tile.shape).any() or (high <= place - 1).any():
                continue
            # of a large block few points are looked at more closely
            near = gaps & (coordinates[0] > place[0] - 1) & (coordinates[0] < place[0] + tile.shape[0])
            near &= (coordinates[1] > place[1] - 1) & (coordinates[1] < place[1] + tile.shape[1])
            if near.any():
                local = coordinates[:, near] - place[:, None]
                nearest = np.clip(local, 0, np.array(tile.shape)[:, None] - 1)
                weight = (1 - np.abs(local - nearest)).prod(axis=0)
                total[near] += weight * (factor * _looked_up(tile, nearest, order) + summand)
                weights[near] += weight
                before[:, near] |= local < nearest
                behind[:, near] |= local > nearest
        outside = gaps & (before != behind).any(axis=0)
        total[outside] = weights[outside] = 0

    def window(self, start: tuple[int, int], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The same for every pixel of a window of the montage."""
        grid = np.indices(shape, dtype=np.float64) + np.array(start, float)[:, None, None]
        return self.sample(grid, order=1)


def _distance_to_edge(local: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """From a pixel beyond the nearer edge; not above 0 outside the tile."""
    (y, x), (height, width) = local, shape
    nearest = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x))
    return np.where(nearest >= 0, nearest + 1, 0).astype(np.float32)


def _looked_up(tile: ImageTile, points: np.ndarray, order: int) -> np.ndarray:
    """Values of a tile at points (2, n) inside it, with no more of it converted than they need."""
    starts = np.maximum(0, np.floor(points.min(axis=1)).astype(int) - MARGIN)
    stops = np.ceil(points.max(axis=1)).astype(int) + MARGIN + 1
    part = tile.read()[starts[0] : stops[0], starts[1] : stops[1]].astype(np.float32)
    return map_coordinates(part, points - starts[:, None], order=order, mode="nearest")
