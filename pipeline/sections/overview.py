"""A section in one small picture, in which features are looked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.sections.stack import Stack, load
from pipeline.sections.tiles import TileSection

VERSION = 1

ROWS_AT_ONCE = 16


class Overview(NamedTuple):
    """A reduced section: `picture` is uint8 (y, x), 0 where there is no tile."""

    picture: np.ndarray
    start: np.ndarray
    """Where its first pixel begins, in pixels of the montage."""
    step: int
    """Pixels of the montage along a side of one of its own."""

    def to_montage(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) of the picture in the montage's pixels: centres lie on centres."""
        return points * self.step + self.start + (self.step - 1) / 2


def overview_target(stack: Stack, section: TileSection, montage: Artifact) -> Target:
    """An npz file."""
    settings = {"step": _step(stack.box, stack.config.alignment.overview)}
    inputs = {"montage": montage.sha256, **{tile.name: tile.stamp for tile in section.tiles}}
    recipe = Recipe("overview", VERSION, settings, inputs)
    return Target(stack.file("overview", f"{section.name}.npz"), recipe)


def make_overview(stack: Stack, section: TileSection, montage: Artifact) -> Artifact:
    """Reduce a section to at most `alignment.overview` pixels a side, one tile at a time."""

    def write(path: Path) -> None:
        step = _step(stack.box, stack.config.alignment.overview)
        with open(path, "wb") as file:
            np.savez_compressed(file, **reduced(section, load(montage), step)._asdict())

    return make(overview_target(stack, section, montage), write)


def read_overview(artifact: Artifact) -> Overview:
    with np.load(artifact.path) as file:
        return Overview(file["picture"], file["start"], int(file["step"]))


def reduced(section: TileSection, montage: Mapping[str, Any], step: int) -> Overview:
    """The means of `step` x `step` pixels of each tile, put to where it is, to the nearest of them."""
    places = np.array([montage["places"][tile.name] for tile in section.tiles])
    ends = places + [tile.shape for tile in section.tiles]
    start = np.floor(places.min(axis=0))
    height, width = np.ceil((ends.max(axis=0) - start) / step).astype(int) + 1
    picture = np.zeros((height, width), np.uint8)
    for tile, place in zip(section.tiles, places):
        factor, summand = montage["contrast"][tile.name]
        small = factor * _means(tile.read(), step) + summand
        y, x = np.round((place - start) / step).astype(int)
        picture[y : y + small.shape[0], x : x + small.shape[1]] = np.clip(np.round(small), 1, 255)
    return Overview(picture, start, step)


def _means(values: np.ndarray, step: int) -> np.ndarray:
    """Of whole squares of `step` pixels, float32; no more than some rows of them are converted at a time."""
    from skimage.transform import downscale_local_mean

    height, width = (n // step for n in values.shape)
    means = np.empty((height, width), np.float32)
    for row in range(0, height, ROWS_AT_ONCE):
        rows = slice(row, min(row + ROWS_AT_ONCE, height))
        squares = values[rows.start * step : rows.stop * step, : width * step].astype(np.float32)
        means[rows] = downscale_local_mean(squares, (step, step))
    return means


def _step(box: Box, side: int) -> int:
    return max(1, math.ceil(max(box.shape[1:]) / side))
