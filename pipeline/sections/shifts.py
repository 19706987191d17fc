"""How neighbouring tiles of a section lie against each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.sections.grey import mean_and_stddev
from pipeline.sections.matching import Match, match
from pipeline.sections.stack import Stack, dump
from pipeline.sections.tiles import ImageTile, TileSection
from pipeline.settings.sections import Montage

VERSION = 3

PAIRS_AT_ONCE = 24
"""Pairs of one task: a task must be worth starting, and a pair takes well under a second."""

PIECE = 512
"""Pixels along a side of what is compared at a time."""

MOST_PIECES = 5
"""Along one side of an overlap."""

Pair = tuple[ImageTile, ImageTile]


class Overlap(NamedTuple):
    """Where two tiles should show the same: rows and columns of the first, and of the second around them."""

    template: tuple[slice, slice]
    search: tuple[slice, slice]
    offset: tuple[int, int]
    """Of the second tile's first pixel in the first, by the table, in whole pixels."""


def neighbours(section: TileSection, settings: Montage) -> list[Pair]:
    """The pairs of a section that share enough to be compared, along at least half of a side."""
    tiles = section.tiles
    return [
        (a, b) for i, a in enumerate(tiles) for b in tiles[i + 1 :] if overlap(a, b, settings) is not None
    ]


def batches(section: TileSection, settings: Montage) -> list[tuple[Pair, ...]]:
    """The same, as many as one task does."""
    pairs = neighbours(section, settings)
    return [tuple(pairs[i : i + PAIRS_AT_ONCE]) for i in range(0, len(pairs), PAIRS_AT_ONCE)]


def overlap(a: ImageTile, b: ImageTile, settings: Montage) -> Overlap | None:
    """Where `b` shows what `a` shows, wherever within `max_shift` it is; None where that is too little."""
    reach = settings.max_shift
    offset = round(b.y - a.y), round(b.x - a.x)
    # what of a is in b however b is moved
    inner = [(max(0, o + reach), min(n, o + m - reach)) for o, n, m in zip(offset, a.shape, b.shape)]
    sides = [stop - start for start, stop in inner]
    if min(sides) < settings.min_overlap or all(2 * s < n for s, n in zip(sides, a.shape)):
        return None
    template = slice(*inner[0]), slice(*inner[1])
    rows, columns = (slice(start - o - reach, stop - o + reach) for (start, stop), o in zip(inner, offset))
    return Overlap(template, (rows, columns), offset)


def shifts_target(stack: Stack, section: TileSection, number: int, pairs: Sequence[Pair]) -> Target:
    """JSON: of each pair the shift, its quality, and the grey values of both where they overlap."""
    settings = {"montage": stack.config.montage.model_dump(include={"max_shift", "min_overlap"})}
    places = {f"place of {t.name}": f"{t.y} {t.x}" for pair in pairs for t in pair}
    images = {t.name: t.stamp for pair in pairs for t in pair}
    recipe = Recipe("shifts", VERSION, {**settings, **places, "pairs": len(pairs)}, images)
    return Target(stack.file("shifts", f"{section.name}_{number:04d}.json"), recipe)


def find_shifts(stack: Stack, section: TileSection, number: int, pairs: Sequence[Pair]) -> Artifact:
    """Compare the pairs of one of `batches`, that of this `number`; only two tiles at a time are looked at.

    Raises InputError when a tile cannot be read.
    """

    def write(path: Path) -> None:
        dump(path, [shift(a, b, stack.config.montage) for a, b in pairs])

    return make(shifts_target(stack, section, number, pairs), write)


def shift(a: ImageTile, b: ImageTile, settings: Montage) -> dict[str, Any]:
    """The place of `b` from that of `a`, in pixels y, x, and what the two have in grey where they meet."""
    shared = overlap(a, b, settings)
    assert shared is not None, "a pair of neighbours overlaps"
    template, search = a.read()[shared.template], b.read()[shared.search]
    found = _found(template, search, settings.max_shift)
    return {
        "a": a.name,
        "b": b.name,
        "shift": [shared.offset[0] - found.dy, shared.offset[1] - found.dx],
        "quality": found.quality,
        "grey": [mean_and_stddev(template), mean_and_stddev(_moved(search, found, settings.max_shift))],
    }


def _found(template: np.ndarray, search: np.ndarray, reach: int) -> Match:
    """Where the template lies in what is searched, `reach` pixels more on each side.

    Of a long overlap, pieces are looked for: the medians of the better half of them, since there may be
    nothing to see in the others, nor in some of these.
    """
    pieces = []
    for rows, columns in itertools.product(*map(_spread, template.shape)):
        around = slice(rows.start, rows.stop + 2 * reach), slice(columns.start, columns.stop + 2 * reach)
        pieces.append(match(template[rows, columns], search[around]))
    pieces.sort(key=lambda piece: piece.quality, reverse=True)
    best = pieces[0].quality
    half = pieces[: (len(pieces) + 1) // 2]
    better = [one for one in half if one.quality >= best - abs(best) / 2]
    return Match(*map(float, np.median(better, axis=0)))


def _spread(length: int) -> list[slice]:
    """At most `MOST_PIECES` pieces of at most `PIECE` pixels, from one end to the other."""
    count = min(MOST_PIECES, -(-length // PIECE))
    size = min(length, PIECE)
    return [slice(start, start + size) for start in np.linspace(0, length - size, count).astype(int).tolist()]


def _moved(search: np.ndarray, found: Match, reach: int) -> np.ndarray:
    """The part of what was searched that is the template's."""
    height, width = search.shape
    y, x = reach + round(found.dy), reach + round(found.dx)
    return search[y : y + height - 2 * reach, x : x + width - 2 * reach]
