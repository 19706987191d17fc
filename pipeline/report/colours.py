"""Colours of ids: the same id has the same colour in every picture, and neighbours differ."""

from __future__ import annotations

import colorsys

import numpy as np

TURNS = 1 << 64
"""Parts of a turn of the hue: with whole numbers ids of 64 bits differ, of which a float keeps 53."""
GOLDEN = 0x9E3779B97F4A7C15
"""The golden ratio's part of a turn, and its square's."""
GOLDEN_SQUARED = 0x61C8864680B583EB


def colours_of(ids: np.ndarray) -> np.ndarray:
    """An RGB colour for each id, (n, 3) uint8; hues of consecutive ids are far apart, 0 is black."""
    table = np.zeros((len(ids), 3), np.uint8)
    for row, number in zip(table, ids.tolist()):
        if number:
            hue, tone = (number * step % TURNS / TURNS for step in (GOLDEN, GOLDEN_SQUARED))
            row[:] = [round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.55 + 0.4 * tone, 0.95)]
    return table


def matched(ids: np.ndarray, truth: np.ndarray) -> dict[int, int]:
    """Which id gives each segment its colour: the true object of which it has more than any other has.

    So a segment that is right has its object's colour, and the smaller part of a split one of its own.
    `ids` and `truth` are of one shape.
    """
    pairs, voxels = np.unique(
        np.stack([truth[(ids > 0) & (truth > 0)], ids[(ids > 0) & (truth > 0)]]), axis=1, return_counts=True
    )
    order = np.argsort(-voxels, kind="stable")
    colour: dict[int, int] = {}
    taken: set[int] = set()
    for t, s in pairs[:, order].T.tolist():
        if s not in colour and t not in taken:
            colour[s] = t
            taken.add(t)
    return colour
