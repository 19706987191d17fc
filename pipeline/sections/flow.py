"""Where the points of one section are in another: patches found around where the affine map puts them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.ndimage import find_objects, gaussian_filter, map_coordinates

from pipeline.geometry import Box
from pipeline.sections.coarse import Affine
from pipeline.sections.grid import grid
from pipeline.sections.growing import AROUND, beside, continued, crowded, largest_group
from pipeline.sections.matching import Match, Seen, match_seen
from pipeline.sections.picture import SectionPicture
from pipeline.settings.sections import Alignment

PORTION = 768
"""Pixels along a side of what is compared at a time, and around it what is searched."""

FEWEST = 3
"""Points around one that can contradict it."""

SMOOTH = 0.7
"""Of the Gaussian, in points, that makes a map of moves that were found: single ones are noisy."""

LEAST = 0.25
"""Share of a patch that both sections must have: what is left of it at the corner of a section. Less is alike
by chance more easily, so the quality asked for goes with the root of the number of pixels."""

LATER_SEARCH = 5
"""Pixels searched once the first moves are taken off."""

Axes = tuple[np.ndarray, np.ndarray]
"""Of a grid of points: their y, and their x."""
Guess = Callable[[np.ndarray], np.ndarray]
"""Takes points (n, 2) of one section to where they should be in another."""


class Flow(NamedTuple):
    """Points of a section, (n, 2) in pixels of its montage, and where they are in that of another."""

    points: np.ndarray
    to: np.ndarray
    asked: np.ndarray
    """The points, (m, 2), with tissue in both sections, that were looked for."""


def flow(a: SectionPicture, b: SectionPicture, affine: Affine, box: Box, settings: Alignment) -> Flow:
    """Look for the points of a grid over `box` of section `a` in section `b`.

    Sections are bent, so patches of the two are not alike: what is found first bends `b` for a later look,
    which is the one that counts. Points of low quality are left out, and those that move otherwise than those
    around them.
    """
    axes = grid(box, settings.grid)
    bent = _bent(affine, _first_moves(a, b, affine, axes, settings), axes, settings.grid)
    moves, points, asked = _moves(a, b, bent, axes, settings, LATER_SEARCH)
    good = np.isfinite(moves[..., 0])
    return Flow(points[good], bent(points[good] + moves[good]), _points(*axes)[asked])


def _first_moves(
    a: SectionPicture, b: SectionPicture, affine: Affine, axes: Axes, settings: Alignment
) -> np.ndarray:
    """How points are moved before they are where the affine map puts them, (rows, columns, 2), NaN far from
    all that are found.

    Features may lie on one side of a section, and their map be far off on the other. So what is found goes on
    from point to point, beyond what is searched around the map, as long as there is more to find.
    """
    first, _, _ = _moves(a, b, affine.__call__, axes, settings, settings.search)
    moves = largest_group(first)
    new = np.isfinite(moves[..., 0])
    while (wanted := crowded(beside(new) & np.isnan(moves[..., 0]), FEWEST)).any():
        guess = _bent(affine, continued(moves, beside(wanted)), axes, settings.grid)
        more, points, _ = _moves(a, b, guess, axes, settings, settings.search, wanted)
        new = np.isfinite(more[..., 0])
        moves[new] = affine.undone(guess(points[new] + more[new])) - points[new]
    moves = np.where(np.isfinite(moves), moves, first)
    return continued(moves, np.ones(moves.shape[:2], bool))


def _bent(affine: Affine, moves: np.ndarray, axes: Axes, spacing: int) -> Guess:
    """The affine map of points that are moved before, as those that were found near them are.

    `moves` are those of a grid, (rows, columns, 2).
    """
    first = np.array([along[0] for along in axes])
    known = np.isfinite(moves[..., 0]).astype(float)
    weight = gaussian_filter(known, SMOOTH, mode="constant")
    field = [gaussian_filter(np.nan_to_num(moves[..., k]), SMOOTH, mode="constant") for k in (0, 1)]
    # far from all that were found it fades to no move
    smooth = [values / np.maximum(weight, 0.05) for values in field]

    def guess(points: np.ndarray) -> np.ndarray:
        at = ((points - first) / spacing).T
        moved = [map_coordinates(values, at, order=1, mode="nearest") for values in smooth]
        return affine(points + np.stack(moved, axis=1))

    return guess


def _moves(
    a: SectionPicture,
    b: SectionPicture,
    guess: Guess,
    axes: Axes,
    settings: Alignment,
    search: int,
    wanted: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How each point is moved before it is where the guess puts it, (rows, columns, 2), NaN where it is not
    found; where the point is of which that is true, (rows, columns, 2); and which were looked for.

    Those are looked for that are `wanted`, (rows, columns) bool; by default all.
    """
    ys, xs = axes
    moves, points = np.full((len(ys), len(xs), 2), np.nan), _points(ys, xs)
    wanted = np.ones(moves.shape[:2], bool) if wanted is None else wanted
    asked = np.zeros(moves.shape[:2], bool)
    for part in _portions(wanted, max(1, PORTION // settings.grid)):
        here = ys[part[0]], xs[part[1]]
        moves[part], middles, asked[part] = _portion(a, b, guess, here, settings, search, wanted[part])
        points[part] += middles
    moves[_contradicted(moves, settings.max_deviation)] = np.nan
    return moves, points, asked


def _portions(wanted: np.ndarray, most: int) -> Iterator[tuple[slice, slice]]:
    """Parts of at most so many points a side with all that are wanted, (rows, columns) bool."""
    for row in range(0, wanted.shape[0], most):
        for column in range(0, wanted.shape[1], most):
            of = wanted[row : row + most, column : column + most]
            for rows, columns in find_objects(of.astype(int)):
                yield (
                    slice(row + rows.start, row + rows.stop),
                    slice(column + columns.start, column + columns.stop),
                )


def _portion(
    a: SectionPicture,
    b: SectionPicture,
    guess: Guess,
    axes: Axes,
    settings: Alignment,
    search: int,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (ys, xs), half = axes, settings.patch // 2
    moves, asked = np.full((len(ys), len(xs), 2), np.nan), np.zeros((len(ys), len(xs)), bool)
    middles = np.zeros_like(moves)
    around = half + search
    start = np.array([ys[0] - around, xs[0] - around])
    shape = ys[-1] - ys[0] + 2 * around, xs[-1] - xs[0] + 2 * around
    places = np.indices(shape).reshape(2, -1).T + start
    here = Seen(*a.sample(_image(places, shape), order=1))
    if not here.known.any():
        return moves, middles, asked
    there = Seen(*b.sample(_image(guess(places), shape), order=1))
    for i, j in np.argwhere(wanted):
        y, x = ys[i] - start[0], xs[j] - start[1]
        template = here.part(slice(y - half, y + half), slice(x - half, x + half))
        searched = there.part(slice(y - around, y + around), slice(x - around, x + around))
        share = float((template.known & searched.within(search).known).mean())
        if share < LEAST:
            continue
        asked[i, j] = True
        found = match_seen(template, searched, LEAST)
        if found.quality >= settings.min_quality / math.sqrt(share):
            moves[i, j] = found.dy, found.dx
            middles[i, j] = _middle(template, searched, search, found)
    return moves, middles, asked


def _middle(template: Seen, searched: Seen, search: int, found: Match) -> np.ndarray:
    """Of the pixels that were compared, from the middle of the template, y and x."""
    dy, dx = round(found.dy), round(found.dx)
    both = np.argwhere(template.known & searched.within(search, dy, dx).known)
    return np.asarray(both.mean(axis=0) - (np.array(template.known.shape) - 1) / 2)


def _points(ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(ys, xs, indexing="ij"), axis=-1).astype(float)


def _image(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return points.T.reshape(2, *shape)


def _contradicted(moves: np.ndarray, most: float) -> np.ndarray:
    """Which moves differ by more than `most` pixels from the median of those around, and lone ones."""
    rows, columns = moves.shape[:2]
    wrong = np.zeros((rows, columns), bool)
    for i, j in np.argwhere(np.isfinite(moves[..., 0])):
        near = moves[max(0, i - AROUND) : i + AROUND + 1, max(0, j - AROUND) : j + AROUND + 1].reshape(-1, 2)
        near = near[np.isfinite(near[:, 0])]
        away = np.linalg.norm(np.median(near, axis=0) - moves[i, j])
        wrong[i, j] = len(near) <= FEWEST or away > most
    return wrong
