"""What lies inside the processes: mitochondria and microtubules, as rods."""

from __future__ import annotations

import numpy as np

from pipeline.synthetic.rods import Rods

MITOCHONDRIA_PER_PIECE = 0.35
MICROTUBULES_PER_PIECE = 2


def grow_mitochondria(axes: Rods, rng: np.random.Generator) -> Rods:
    """Sausages along some of the thicker pieces of the axes, about half as wide as their process."""
    thick = axes.start_radii + axes.stop_radii > np.median(axes.start_radii + axes.stop_radii)
    axes = axes[thick & (rng.random(len(axes)) < 2 * MITOCHONDRIA_PER_PIECE)]
    n = len(axes)
    begin, end = rng.uniform(0, 0.4, (n, 1)), rng.uniform(0.6, 1, (n, 1))
    radii = np.minimum(axes.start_radii, axes.stop_radii) * rng.uniform(0.4, 0.6, n)
    aside = rng.normal(0, 1, (n, 3))
    along = axes.stops - axes.starts
    return Rods(
        (axes.starts + begin * along + aside).astype(np.float32),
        (axes.starts + end * along + aside).astype(np.float32),
        radii.astype(np.float32),
        (radii * rng.uniform(0.6, 1, n)).astype(np.float32),
        axes.labels,
    )


def grow_microtubules(axes: Rods, rng: np.random.Generator) -> Rods:
    """Thin lines that run beside the axes for a whole piece, dots where they are cut across."""
    axes = axes[np.repeat(np.arange(len(axes)), MICROTUBULES_PER_PIECE)]
    n = len(axes)
    reach = 0.35 * np.minimum(axes.start_radii, axes.stop_radii)[:, None]
    aside = rng.uniform(-1, 1, (n, 3)) * reach
    radii = np.full(n, 0.7, np.float32)
    return Rods(
        (axes.starts + aside).astype(np.float32),
        (axes.stops + aside).astype(np.float32),
        radii,
        radii,
        axes.labels,
    )
