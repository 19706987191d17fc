"""Stack: the settings of an alignment and the folder in which its results have fixed names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.results.unreadable import ABSENT, reading
from pipeline.run_files import RunFiles
from pipeline.sections.corrections import CorrectedShift, Excluded, read_corrections
from pipeline.sections.grid import FEWEST_POINTS, grid
from pipeline.sections.table import Listed, read_table
from pipeline.sections.tiles import ImageTile, TileSection
from pipeline.settings.sections import FromSections
from pipeline.volumes.slice_image import slice_header


@dataclass(frozen=True)
class Stack:
    """What every task is given: small, whatever the number of tiles."""

    folder: Path
    config: FromSections
    box: Box
    """Of the volume: all that the table places, whether its images are there or not, and a margin."""
    sections: tuple[int, ...]
    """Those of which there are images, ascending."""
    lost: tuple[int, ...]
    """Those between them, or in the table, of which there are none, or that are left out."""
    excluded: tuple[Excluded, ...] = ()
    """Those that a person leaves out."""

    def file(self, kind: str, name: str) -> Path:
        """Where the artifact of this kind is that is about what `name` says."""
        return RunFiles(self.folder).alignment_folder / kind / name

    @property
    def area(self) -> str:
        """Of the box what sections are compared in: more of them do not change that."""
        return f"{self.box.start[1:]} to {self.box.stop[1:]}"

    @property
    def volume_folder(self) -> Path:
        """Neuroglancer precomputed volume."""
        return RunFiles(self.folder).aligned_folder

    @property
    def quality_file(self) -> Path:
        """JSON: how well everything fits, the worst first."""
        return RunFiles(self.folder).quality_file

    @property
    def section_pairs(self) -> list[tuple[int, int]]:
        """Each section with the `reach` that follow it, of those that are there."""
        reach = self.config.alignment.reach
        return [(a, b) for i, a in enumerate(self.sections) for b in self.sections[i + 1 : i + 1 + reach]]

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """The sections that are relaxed together: neighbouring groups share `group_overlap`."""
        size, overlap = self.config.alignment.group, self.config.alignment.group_overlap
        last = max(0, len(self.sections) - size)
        starts = [*range(0, last, size - overlap), last]
        return [self.sections[start : start + size] for start in starts]


def read_stack(config: FromSections, folder: Path) -> tuple[Stack, dict[int, TileSection]]:
    """The stack of a configuration, and its sections by their z.

    Every image of the table is looked for, and the first is looked into: all must be as large. Raises
    InputError where the table, or the file of corrections, is not understood, none of the images is there,
    or alignment.grid is too coarse for any pair to be compared.
    """
    listed = read_table(config.tiles)
    base = Path(config.tiles.table).parent
    stamps = {one: stamp for one in listed if (stamp := _stamp(base / one.file)) is not None}
    if not stamps:
        first = base / listed[0].file
        raise InputError(f"tiles.table {config.tiles.table}: none of its images is there, such as {first}")
    shape = slice_header(base / next(iter(stamps)).file)[0]
    sections = {}
    corrections = read_corrections(Path(config.corrections)) if config.corrections else []
    excluded = {one.section: one for one in corrections if isinstance(one, Excluded)}
    for z, group in groupby(listed, key=lambda one: one.section):
        there, missing = _sorted_out(group, stamps)
        if there and z not in excluded:
            tiles = tuple(_tile(one, base, shape, stamps[one]) for one in there)
            corrected = [one for one in corrections if isinstance(one, CorrectedShift) and one.section == z]
            sections[z] = TileSection(z, tiles, tuple(one.file for one in missing), tuple(corrected))
    _check_corrections(config, corrections, sections, {one.section for one in listed})
    margin = config.volume.margin
    first_z, last_z = listed[0].section, listed[-1].section
    box = Box((first_z, *_corner(listed)), (last_z + 1, *_end(listed, shape))).grow((0, margin, margin))
    points = math.prod(map(len, grid(box, config.alignment.grid)))
    if len(sections) > 1 and points < FEWEST_POINTS:
        raise InputError(
            f"alignment.grid is {config.alignment.grid}: in a volume of {box.shape[1]:,} x {box.shape[2]:,} "
            f"pixels sections would be compared at {points} point(s), and a pair takes {FEWEST_POINTS}: "
            "set it smaller"
        )
    stack = Stack(
        folder,
        config,
        box,
        tuple(sections),
        tuple(z for z in range(first_z, last_z + 1) if z not in sections),
        tuple(excluded.values()),
    )
    return stack, sections


def _check_corrections(
    config: FromSections,
    corrections: Sequence[CorrectedShift | Excluded],
    sections: Mapping[int, TileSection],
    listed: Set[int],
) -> None:
    """Raise InputError where one is about what is not there, or nothing is left."""
    for one in corrections:
        said = f"{config.corrections}, {one.where}"
        if one.section not in listed:
            raise InputError(f"{said}: there is no section {one.section} in {config.tiles.table}")
        if isinstance(one, CorrectedShift):
            section = sections.get(one.section)
            names = {tile.name for tile in section.tiles} if section else set()
            for name in (one.a, one.b):
                if name not in names:
                    raise InputError(
                        f"{said}: section {one.section} has no image {name!r} that is there and not left out"
                    )
    if not sections:
        raise InputError(f"{config.corrections} leaves out every section of which there are images")


def load(artifact: Artifact) -> Any:
    """What a JSON artifact holds."""
    with reading(artifact.path):
        return json.loads(Path(artifact.path).read_bytes())


def dump(path: Path, content: Any) -> None:
    """Write a JSON artifact; equal content gives equal bytes."""
    path.write_text(json.dumps(content, indent=1) + "\n")


def _stamp(path: Path) -> str | None:
    """Size and time of change: wherever the folder is moved to, the image is the same."""
    try:
        with reading(path):
            status = path.stat()
    except ABSENT:
        return None
    return f"{status.st_size} {status.st_mtime_ns}"


def _sorted_out(listed: Iterable[Listed], stamps: Mapping[Listed, str]) -> tuple[list[Listed], list[Listed]]:
    """Those that are there, and those that are not."""
    listed = list(listed)
    return [one for one in listed if one in stamps], [one for one in listed if one not in stamps]


def _tile(one: Listed, base: Path, shape: tuple[int, int], stamp: str) -> ImageTile:
    return ImageTile(one.file, str(base / one.file), one.y, one.x, shape, stamp)


def _corner(listed: Sequence[Listed]) -> tuple[int, int]:
    return math.floor(min(one.y for one in listed)), math.floor(min(one.x for one in listed))


def _end(listed: Sequence[Listed], shape: tuple[int, int]) -> tuple[int, int]:
    height, width = shape
    return (
        math.ceil(max(one.y for one in listed)) + height,
        math.ceil(max(one.x for one in listed)) + width,
    )
