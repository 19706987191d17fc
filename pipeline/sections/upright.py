"""Sections that lie otherwise than most, as one that was put in upside down: they are laid as those first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from pipeline.sections.coarse import AS_IT_IS, Affine
from pipeline.sections.mesh import Matches
from pipeline.sections.places import parts

OTHERWISE = 0.35
"""How far points are elsewhere, next to how far they are from their middle, both as the root of the mean
square: a turn by 20 degrees, or pixels a third larger. The places of sections take up what is less."""


def laid_as_most(part: Sequence[int], matches: Matches) -> dict[int, Affine]:
    """Of each section of a part that lies otherwise than most the map that lays it as these.

    `matches` are the points of its pairs. Without this each section would have its say in what no pair can
    tell, how large all are and which way is up: with some upside down all would come out larger, and with
    half of them of no size at all.
    """
    spreads = [_moved(points, points.mean(axis=0)) for points, _ in matches.values()]
    most = OTHERWISE * float(np.median(spreads))
    alike = parts(part, [pair for pair, (points, to) in matches.items() if _moved(points, to) <= most])
    group_of = {z: group for group in alike for z in group}
    most_sections = max(alike, key=len)
    maps = dict.fromkeys(most_sections, AS_IT_IS)
    unlike = [(a, b) for a, b in matches if group_of[a] is not group_of[b]]
    for a, b in itertools.cycle([*unlike, *reversed(unlike)]):
        if len(maps) == len(part):
            break
        if (a in maps) != (b in maps):
            points, to = matches[a, b]
            new, known, there, here = (b, a, to, points) if a in maps else (a, b, points, to)
            found = Affine.fitted(there, here).then(maps[known])
            is_like_most = _moved(there, found(there)) <= most
            maps |= dict.fromkeys(group_of[new], AS_IT_IS if is_like_most else found)
    return {z: found for z, found in maps.items() if found is not AS_IT_IS}


def _moved(points: np.ndarray, to: np.ndarray) -> float:
    """How far points (n, 2) are from where they come to lie: the root of the mean square."""
    return float(np.sqrt(np.square(to - points).sum(axis=1).mean()))
