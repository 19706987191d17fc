"""Straight rods that carry labels, and how far voxels are from them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Slices
from pipeline.synthetic.noise import Floats


@dataclass(frozen=True)
class Rods:
    """Round rods: `starts` and `stops` are (n, 3) voxels, z, y, x; radii (voxels) and `labels` are (n,)."""

    starts: Floats
    stops: Floats
    start_radii: Floats
    stop_radii: Floats
    labels: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: NDArray[np.generic]) -> Rods:
        return Rods(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Nearest:
    """For each voxel: the label of the nearest rod, the distance to its surface (negative inside),
    and the distance to the nearest rod of any other label; label 0 and infinity where none is in reach.
    """

    label: NDArray[np.uint32]
    distance: Floats
    other_distance: Floats


def nearest(positions: Floats, rods: Rods, reach: float) -> Nearest:
    """Search the rods within `reach` voxels of each of the `positions`, (3, z, y, x).

    The positions are a grid of voxels, moved by at most a smooth warp. Rods farther away may be
    found too; equal positions and rods give equal answers.
    """
    shape = positions.shape[1:]
    found = Nearest(
        np.zeros(shape, np.uint32), np.full(shape, np.inf, np.float32), np.full(shape, np.inf, np.float32)
    )
    low = [positions[axis].min(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    high = [positions[axis].max(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    first = np.minimum(rods.starts, rods.stops) - reach
    last = np.maximum(rods.starts, rods.stops) + reach
    meets = (first <= [h.max() for h in high]) & (last >= [w.min() for w in low])
    candidates = np.flatnonzero(meets.all(axis=1))
    for label in np.unique(rods.labels[candidates]):
        own = np.full(shape, np.inf, np.float32)
        windows = []
        for i in candidates[rods.labels[candidates] == label]:
            window = _window(first[i], last[i], low, high)
            np.minimum(own[window], _distance(positions, window, rods, i), out=own[window])
            windows.append(window)
        _update(found, label, own, _hull(windows))
    return found


def _window(first: Floats, last: Floats, low: list[Floats], high: list[Floats]) -> Slices:
    """The planes of the grid that meet the box from `first` to `last`, as slices."""
    inside = [np.flatnonzero((h >= a) & (w <= b)) for a, b, w, h in zip(first, last, low, high)]
    z, y, x = (slice(i[0], i[-1] + 1) if len(i) else slice(0, 0) for i in inside)
    return z, y, x


def _hull(windows: list[Slices]) -> Slices:
    z, y, x = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*windows))
    return z, y, x


def _distance(positions: Floats, window: Slices, rods: Rods, i: int) -> Floats:
    """Distance to the surface of rod `i`, whose radius runs from end to end."""
    start, along = rods.starts[i], rods.stops[i] - rods.starts[i]
    z, y, x = (p[window] - s for p, s in zip(positions, start))
    t = z * along[0]
    t += y * along[1]
    t += x * along[2]
    t /= max(float(along @ along), 1e-6)
    np.clip(t, 0, 1, out=t)
    for component, step in zip((z, y, x), along):
        component -= t * step
        np.square(component, out=component)
    z += y
    z += x
    np.sqrt(z, out=z)
    t *= rods.stop_radii[i] - rods.start_radii[i]
    z -= t
    z -= rods.start_radii[i]
    return z


def _update(found: Nearest, label: int, own: Floats, window: Slices) -> None:
    """Enter one label's distances."""
    own, best, other = own[window], found.distance[window], found.other_distance[window]
    wins = own < best
    np.minimum(other, np.maximum(own, best), out=other)
    np.minimum(best, own, out=best)
    found.label[window][wins] = label
