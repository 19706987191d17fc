"""Pictures of how tiles and sections lie on each other, where they fit worst."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.report.slices import MOST_PIXELS, Picture
from pipeline.results.artifacts import Artifact
from pipeline.results.unreadable import is_there
from pipeline.sections import Stack, groups_of, read_stack
from pipeline.sections.group import group_file, places_file, read_mesh, read_places
from pipeline.sections.mesh import Mesh
from pipeline.sections.picture import SectionPicture
from pipeline.sections.stack import load
from pipeline.sections.tiles import TileSection
from pipeline.sections.volume import rendered
from pipeline.settings.sections import FromSections

SIDE = 192
"""Pixels along an edge of what is shown of a pair of sections."""

MOST_OF_AN_OVERLAP = 800
"""Pixels along an edge of what is shown of a pair of tiles: of a longer overlap the middle."""

GAP = 6


def draw_fits(settings: FromSections, folder: Path, wanted: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """The pictures that `alignment` names, of the alignment in a folder: what is first of a pair in red, what
    is second in green and blue, so that it is grey where both are alike.

    Raises InputError where tiles cannot be read, or the alignment has not come so far.
    """
    stack, sections = read_stack(settings, folder)
    shown = {one[name] for one in wanted for name in (("z",) if one["of"] == "tiles" else ("a", "b"))}
    if gone := sorted(shown - sections.keys()):
        raise InputError(
            f"section {gone[0]} is left out or lost since the alignment was made: align once more"
        )
    return [
        _of_tiles(stack, sections[one["z"]], one)
        if one["of"] == "tiles"
        else _of_sections(stack, sections, one)
        for one in wanted
    ]


def _of_tiles(stack: Stack, section: TileSection, facts: Mapping[str, Any]) -> Picture:
    """The overlap of two tiles, as the montage lays them on each other."""
    montage, tiles = _montage(stack, section), {tile.name: tile for tile in section.tiles}
    a, b = tiles[facts["a"]], tiles[facts["b"]]
    places = {tile: np.round(montage["places"][tile.name]).astype(int) for tile in (a, b)}
    start = np.maximum(places[a], places[b])
    shape = np.minimum(*(places[tile] + tile.shape for tile in (a, b))) - start
    start = start + np.maximum(shape - MOST_OF_AN_OVERLAP, 0) // 2
    shape = shape.clip(1, MOST_OF_AN_OVERLAP)
    grey = []
    for tile in (a, b):
        (y, x), (height, width) = start - places[tile], shape
        factor, summand = montage["contrast"][tile.name]
        grey.append(factor * tile.read()[y : y + height, x : x + width] + summand)
    what = f"the overlap of tiles {facts['a']} and {facts['b']}, the first in red, the second in cyan"
    return _picture(_laid(*grey), dict(facts), what)


def _of_sections(stack: Stack, sections: Mapping[int, TileSection], facts: Mapping[str, Any]) -> Picture:
    """A piece of two sections, as they were taken, and beside it as they are in the volume."""
    a, b = facts["a"], facts["b"]
    (_, low_y, low_x), (_, high_y, high_x) = stack.box.start, stack.box.stop
    y, x = (
        max(low, min(at - SIDE // 2, high - SIDE))
        for at, low, high in zip(facts["at"], (low_y, low_x), (high_y, high_x))
    )
    window = Box((a, y, x), (a + 1, y + SIDE, x + SIDE)) & stack.box
    (_, y, x), (_, height, width) = window.start, window.shape
    pictures = {z: SectionPicture(sections[z], _montage(stack, sections[z])) for z in (a, b)}
    before = [picture.window((y, x), (height, width))[0] for picture in pictures.values()]
    after = [rendered(picture, _map(stack, z), window) for z, picture in pictures.items()]
    gap = np.full((height, GAP, 3), 255, np.uint8)
    strip = np.concatenate([_laid(*before), gap, _laid(*after)], axis=1)
    what = f"sections {a} and {b} at {window}, the first in red, the second in cyan: before and after"
    return _picture(strip, {**facts, "box": str(window)}, what)


def _montage(stack: Stack, section: TileSection) -> dict[str, Any]:
    """What is kept of the montage of a section. Raises InputError where it is not there."""
    found: dict[str, Any] = load(_there(stack.file("montage", f"{section.name}.json")))
    return found


def _map(stack: Stack, z: int) -> Mesh:
    """The map of a section into the volume, be that written or not. Raises InputError where there is none."""
    groups = {number: _there(group_file(stack, stack.groups[number])) for number in groups_of(stack, z)}
    return read_mesh(stack, z, read_places(_there(places_file(stack)))[z], groups)


def _there(path: Path) -> Artifact:
    if not is_there(path):
        raise InputError(f"{path} is not there: the alignment has not come so far")
    return Artifact(str(path), "")


def _laid(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two grey pictures (y, x) as one in colours, uint8 (y, x, 3)."""
    red, cyan = (np.clip(np.round(grey), 0, 255).astype(np.uint8) for grey in (first, second))
    return np.stack([red, cyan, cyan], axis=2)


def _picture(drawn: np.ndarray, facts: dict[str, Any], alt: str) -> Picture:
    step = max(1, -(-max(drawn.shape[:2]) // MOST_PIXELS))
    drawn = np.ascontiguousarray(drawn[::step, ::step])
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "JPEG", quality=85, subsampling=0)
    height, width = drawn.shape[:2]
    larger = max(1, round(MOST_PIXELS / max(height, width)))
    return Picture(file.getvalue(), "image/jpeg", width * larger, height * larger, alt, facts)
