"""What is not there of the sections of which a run, or an alignment, makes a volume."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.run_folder import Run
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.sections.stack import Stack
    from pipeline.sections.tiles import TileSection

MOST_NAMED = 5

LONELY = 3
"""Sides of an image: farther from all others of its section, from corner to corner, it is told."""

SHARED = 0.25
"""The share of the smaller of two successive sections that at least lies on the other."""

COVERED = 0.25
"""Shares of their sides by which images of a section are at least apart, along one of them."""


def sections(run: Run) -> Finding:
    """What the table has of sections and images, and which are not there. Raises InputError."""
    if run.config.sections is None:
        return skip("the run makes its image of none")
    from pipeline.sections import read_stack  # which loads SciPy

    stack, there = read_stack(run.config.sections, run.folder)
    tiles = sum(len(section.tiles) for section in there.values())
    found = f"{counted(len(stack.sections), 'section')} of {counted(tiles, 'image')}, a volume at {stack.box}"
    doubtful = doubts(stack, there, run.config.data.replace_sections)
    return warn(found, "; ".join(doubtful)) if doubtful else ok(found)


def doubts(
    stack: Stack, sections: Mapping[int, TileSection], replaced: Mapping[int, int] | None = None
) -> list[str]:
    """What is not there of what the table lists, and places in it that can hardly be meant.

    Lost sections that are `replaced` by one that is there are no doubt.
    """
    told = []
    missing = [name for section in sections.values() for name in section.missing]
    if missing:
        count = len(missing)
        told.append(
            f"{count:,} {_are('image', count)} missing in sections that have others: {first(missing)}"
        )
    excluded = [one.section for one in stack.excluded]
    lost = [z for z in stack.lost if z not in excluded]
    shown = {z: other for z, other in (replaced or {}).items() if other in sections}
    for which, why in ((lost, "lost"), (excluded, "left out by corrections")):
        blank = [z for z in which if z not in shown]
        if blank:
            count = len(blank)
            told.append(f"{count:,} {_are('section', count)} {why} and will be 0: {first(blank)}")
    return told + _odd_places(stack, sections)


def _odd_places(stack: Stack, sections: Mapping[int, TileSection]) -> list[str]:
    """Where images of a section lie on each other, or none touches another: what is wrong is seldom that."""
    from scipy.spatial import cKDTree

    covered, lonely, scattered = list[str](), list[str](), list[int]()
    for z, section in sections.items():
        if len(section.tiles) < 2:
            continue
        shape = np.array(section.tiles[0].shape)
        places = np.array([(tile.y, tile.x) for tile in section.tiles]) / shape
        # the nearest is the image itself
        apart = cKDTree(places).query(places, k=2, p=np.inf)[0][:, 1]
        covered += [tile.name for tile, one in zip(section.tiles, apart) if one < COVERED]
        if apart.min() > 1 + 1 / shape.min():
            scattered.append(z)
        else:
            lonely += [tile.name for tile, one in zip(section.tiles, apart) if one > LONELY]
    told, units = [], f"are x and y in {stack.config.tiles.units}, as tiles.units says"
    if covered:
        told.append(
            f"{len(covered):,} images lie on another of their section by three quarters of a side and more, "
            f"and are blended with it: {first(covered)}; {units}, and numbers of sections right?"
        )
    if scattered:
        count = len(scattered)
        told.append(f"in {counted(count, 'section')} no image touches another: {first(scattered)}; {units}?")
    if lonely:
        told.append(
            f"images that lie more than {LONELY - 1} sides away from all others of their section: "
            f"{first(lonely)}; is there a slip in the table?"
        )
    beside = _beside(sections)
    if beside:
        told.append(
            f"sections that lie beside the one before, not on it: {first(beside)}; are x and y where the "
            "stage was? give them from each section's corner"
        )
    return told


def _beside(sections: Mapping[int, TileSection]) -> list[int]:
    """The sections that do not lie on the one before: a volume that spans both is mostly empty."""
    ends = {}
    for z, section in sections.items():
        places = np.array([(tile.y, tile.x) for tile in section.tiles])
        ends[z] = places.min(axis=0), places.max(axis=0) + section.tiles[0].shape
    beside = []
    for (_, (low, high)), (z, (own_low, own_high)) in pairwise(ends.items()):
        shared = np.maximum(np.minimum(high, own_high) - np.maximum(low, own_low), 0).prod()
        if shared < SHARED * min((high - low).prod(), (own_high - own_low).prod()):
            beside.append(z)
    return beside


def _are(noun: str, count: int) -> str:
    return f"{noun} is" if count == 1 else f"{noun}s are"


def first(names: Any) -> str:
    """Some of many names."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(str, names[:MOST_NAMED])) + more
