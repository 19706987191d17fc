"""A made-up microscope: it cuts a phantom into sections, distorts each, and takes it in overlapping tiles.

What it did is known exactly, so that a montage and an alignment can be measured against it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import map_coordinates

from pipeline.geometry import Box, Triple
from pipeline.synthetic.phantom import Phantom

Points = np.ndarray
"""(n, 2) float64: y, x in pixels."""

WAVES = 4


@dataclass(frozen=True)
class Fold:
    """A fold of a section: a dark line at column `x` that hides `hidden` pixels of tissue."""

    x: float
    hidden: float
    width: float = 6.0


@dataclass(frozen=True)
class Distortion:
    """From where in the tissue each point of a section comes: turned, stretched, and bent by smooth waves."""

    matrix: np.ndarray
    moved: np.ndarray
    middle: np.ndarray
    vectors: np.ndarray
    """(WAVES, 2): radians a pixel."""
    phases: np.ndarray
    """(WAVES, 2): for y and for x."""
    amplitude: float
    """Standard deviation of what the waves add, in pixels."""
    fold: Fold | None = None

    def __call__(self, points: Points) -> Points:
        """The places in the tissue, (n, 2), of points of the section, (n, 2)."""
        angles = points @ self.vectors.T
        bent = np.stack([np.sin(angles + phase).sum(1) for phase in self.phases.T], axis=1)
        found = (points - self.middle) @ self.matrix.T + self.middle + self.moved
        found = found + self.amplitude * np.sqrt(2 / WAVES) * bent
        if self.fold is not None:
            side = np.where(points[:, 1] < self.fold.x, -0.5, 0.5)
            found[:, 1] += side * self.fold.hidden
        return found

    def undone(self, points: Points) -> tuple[Points, np.ndarray]:
        """The points of the section, (n, 2), at places in the tissue, and of which there is one (n, bool)."""
        inverse = np.linalg.inv(self.matrix)
        at = np.array(points, float)
        for _ in range(60):
            at = at - (self(at) - points) @ inverse.T
        return at, np.linalg.norm(self(at) - points, axis=1) < 0.01


@dataclass(frozen=True)
class Microscope:
    """How much goes wrong. The tissue reaches `margin` pixels beyond the nominal section, on all sides."""

    sections: int = 48
    tile: int = 176
    overlap: int = 36
    grid: int = 3
    jitter: float = 4.0
    """Largest error of a tile's place in the table, in pixels, along each axis."""
    turned: float = 2.0
    """Standard deviation of a section's rotation, in degrees."""
    stretched: float = 0.01
    """Of the entries of its affine map."""
    moved: float = 6.0
    """Of its place, in pixels."""
    bent: float = 2.5
    """Of its smooth distortion, in pixels."""
    wavelength: float = 260.0
    noise: float = 8.0
    """Standard deviation of a tile's own noise, in grey values."""
    margin: int = 80
    lost: tuple[int, ...] = ()
    folded: tuple[int, ...] = ()
    missing: tuple[tuple[int, int, int], ...] = ()
    """Tiles that were not taken: section, row, column."""

    @property
    def side(self) -> int:
        """Of the nominal section, in pixels."""
        return self.grid * self.tile - (self.grid - 1) * self.overlap

    @property
    def tissue(self) -> Triple:
        """Shape of what it takes."""
        around = self.side + 2 * self.margin
        return self.sections, around, around

    def phantom(self, seed: int) -> Phantom:
        """Tissue to take."""
        return Phantom(self.tissue, seed)

    def take(self, folder: Path, seed: int, tissue: np.ndarray | None = None) -> Truth:
        """Write the tiles (PNG) and `tiles.csv` into `folder`; the same seed gives the same bytes.

        A file that is there already as it would be written is left as it is. `tissue` is an image, uint8 of
        the shape `self.tissue` (default: that of `self.phantom(seed)`).
        """
        rng = np.random.default_rng(seed)
        if tissue is None:
            tissue = self.phantom(seed).image(Box.of_shape(self.tissue))
        distortions, places, rows = {}, {}, []
        for z in range(self.sections):
            distortions[z] = self._distortion(rng, z)
            slab = tissue[z].astype(np.float32)
            for row in range(self.grid):
                for column in range(self.grid):
                    name = f"z{z:04d}/r{row}_c{column}.png"
                    nominal = np.array([row, column]) * float(self.tile - self.overlap)
                    place = nominal + rng.uniform(-self.jitter, self.jitter, 2)
                    picture = self._picture(slab, distortions[z], place, rng)
                    rows.append((name, z, row, column, nominal[1], nominal[0]))
                    if z in self.lost or (z, row, column) in self.missing:
                        continue
                    places[name] = place
                    _save(picture, folder / name)
        with open(folder / "tiles.csv", "w", newline="") as file:
            csv.writer(file).writerows([("file", "section", "row", "column", "x", "y"), *rows])
        return Truth(distortions, places, self.margin)

    def _distortion(self, rng: np.random.Generator, z: int) -> Distortion:
        turned = np.deg2rad(rng.normal(0, self.turned))
        rotation = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
        directions = rng.normal(size=(WAVES, 2))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = self.wavelength * rng.uniform(0.8, 1.6, (WAVES, 1))
        return Distortion(
            rotation @ (np.eye(2) + rng.normal(0, self.stretched, (2, 2))),
            self.margin + rng.normal(0, self.moved, 2),
            np.full(2, self.side / 2),
            2 * np.pi * directions / lengths,
            rng.uniform(0, 2 * np.pi, (WAVES, 2)),
            self.bent,
            Fold(rng.uniform(0.3, 0.7) * self.side, 10.0) if z in self.folded else None,
        )

    def _picture(
        self, slab: np.ndarray, distortion: Distortion, place: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """What the microscope sees at a place, uint8 (tile, tile): noisy, and of its own contrast."""
        grid = np.indices((self.tile, self.tile)).reshape(2, -1).T + place
        values = map_coordinates(slab, distortion(grid).T, order=3, mode="reflect").reshape(self.tile, -1)
        if distortion.fold is not None:
            at = (grid[:, 1] - distortion.fold.x).reshape(values.shape)
            values = np.where(np.abs(at) < distortion.fold.width / 2, 20, values)
        values = values * rng.uniform(0.7, 1.0) + rng.uniform(0, 40)
        values = values + rng.normal(0, self.noise, values.shape)
        return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _save(picture: np.ndarray, path: Path) -> None:
    encoded = BytesIO()
    Image.fromarray(picture).save(encoded, "PNG")
    if not path.exists() or path.read_bytes() != encoded.getvalue():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.getvalue())


@dataclass(frozen=True)
class Truth:
    """What the microscope did: where in the tissue each section's points are, and where each tile was."""

    distortions: dict[int, Distortion]
    places: dict[str, np.ndarray]
    """Of the first pixel of each tile that was taken, in its section."""
    margin: int
    """Pixels of tissue before the first of the nominal section, along y and x."""
