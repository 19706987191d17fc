"""Phantom: labels and image of a synthetic EM volume, computed where they are asked for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Box, Triple, triple
from pipeline.synthetic.noise import Floats, Waves, voxel_axes
from pipeline.synthetic.organelles import grow_microtubules, grow_mitochondria
from pipeline.synthetic.processes import grow_processes
from pipeline.synthetic.rods import nearest
from pipeline.synthetic.texture import Geometry, Texture

BLOCK: Triple = (64, 64, 64)
"""Voxels are computed in aligned blocks of this shape, so that none depends on the box asked for."""

WARP = 4.0
"""Standard deviation, in voxels, of the smooth warp that bends the straight axes."""

RIPPLE = 1.3


class Phantom:
    """Densely packed branching processes with dark membranes, organelles, noise and uneven contrast.

    The same shape, seed and spacing give the same volume, and a voxel has the same value in
    whatever box it is asked for. Labels 1..N fill the volume: each voxel of a membrane belongs to
    the nearer process. `spacing` is the mean distance of neighbouring axes in voxels; radii are
    about 0.28 to 0.72 of it.
    """

    def __init__(self, shape: Triple, seed: int, spacing: float = 22.0) -> None:
        self.box = Box.of_shape(shape)
        self._reach = 1.3 * spacing
        rng = np.random.default_rng(seed)
        self._axes = grow_processes(shape, spacing, rng)
        self._mitochondria = grow_mitochondria(self._axes, rng)
        self._microtubules = grow_microtubules(self._axes, rng)
        self._bends = [Waves(rng, wavelength=4.5 * spacing) for _ in range(3)]
        self._ripples = [Waves(rng, wavelength=1.7 * spacing) for _ in range(3)]
        self._texture = Texture(rng, seed, self.n_labels)
        self._geometry = lru_cache(maxsize=2)(self._compute_geometry)

    @property
    def n_labels(self) -> int:
        """Number of processes, which is also the largest label."""
        return int(self._axes.labels.max())

    def labels(self, box: Box) -> NDArray[np.uint32]:
        """Ground truth inside `box`, (z, y, x) uint32; raises ValueError outside the volume."""
        out = np.empty(box.shape, np.uint32)
        for block in self._blocks(box):
            part = block & box
            out[part.slices(box.start)] = self._geometry(block).labels[part.slices(block.start)]
        return out

    def image(self, box: Box) -> NDArray[np.uint8]:
        """The image inside `box`, (z, y, x) uint8; raises ValueError outside the volume."""
        out = np.empty(box.shape, np.uint8)
        for block in self._blocks(box):
            part = block & box
            out[part.slices(box.start)] = self._texture.render(block, self._geometry(block))[
                part.slices(block.start)
            ]
        return out

    def _blocks(self, box: Box) -> list[Box]:
        if not self.box.contains(box):
            raise ValueError(f"box {box} is not inside the phantom's {self.box}")
        start = triple([a - a % b for a, b in zip(box.start, BLOCK)])
        stop = triple([b - b % -s for b, s in zip(box.stop, BLOCK)])
        return [block & self.box for block in Box(start, stop).blocks(BLOCK)]

    def _compute_geometry(self, block: Box) -> Geometry:
        positions = self._warped(block)
        process = nearest(positions, self._axes, self._reach)
        mitochondrion = nearest(positions, self._mitochondria, reach=12)
        microtubule = nearest(positions, self._microtubules, reach=3)
        return Geometry(
            process.label,
            (process.other_distance - process.distance) / 2,
            np.where(mitochondrion.label == process.label, mitochondrion.distance, np.float32(np.inf)),
            np.where(microtubule.label == process.label, microtubule.distance, np.float32(np.inf)),
        )

    def _warped(self, block: Box) -> Floats:
        """Where each voxel of the block lies in the straight world of the rods; faces stay faces."""
        axes = voxel_axes(block)
        positions = np.empty((3, *block.shape), np.float32)
        for axis, (bend, ripple, size) in enumerate(zip(self._bends, self._ripples, self.box.shape)):
            at = axes[axis]
            taper = np.clip(np.minimum(at + 0.5, size - at - 0.5) / 20, 0, 1)
            along = [1, 1, 1]
            along[axis] = -1
            moved = (WARP * bend(axes) + RIPPLE * ripple(axes)) * taper.reshape(along)
            positions[axis] = moved + (at + 0.5).reshape(along)
        return positions
