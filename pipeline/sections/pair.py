"""One section laid on another: by features as a whole, then point by point."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.sections.coarse import coarse
from pipeline.sections.flow import Flow, flow
from pipeline.sections.grid import FEWEST_POINTS
from pipeline.sections.overview import read_overview
from pipeline.sections.picture import SectionPicture
from pipeline.sections.stack import Stack, load
from pipeline.sections.tiles import TileSection

VERSION = 4

SETTINGS = {"min_inliers", "grid", "patch", "search", "min_quality", "max_deviation"}


class Montaged(NamedTuple):
    """A section and what was made of it."""

    section: TileSection
    montage: Artifact
    overview: Artifact


class Laid(NamedTuple):
    """Where points of section `a` are in section `b`; without points the pair was refused."""

    a: int
    b: int
    inliers: int
    """Features that agree on how the sections lie."""
    flow: Flow

    @property
    def is_refused(self) -> bool:
        return len(self.flow.points) == 0


def pair_target(stack: Stack, a: Montaged, b: Montaged) -> Target:
    """An npz file with what `read_pair` gives."""
    settings = {"alignment": stack.config.alignment.model_dump(include=SETTINGS), "area": stack.area}
    inputs: dict[str, str] = {}
    for which, one in (("first", a), ("second", b)):
        inputs |= {f"{which} montage": one.montage.sha256, f"{which} overview": one.overview.sha256}
        inputs |= {f"{which} {tile.name}": tile.stamp for tile in one.section.tiles}
    recipe = Recipe("match sections", VERSION, settings, inputs)
    return Target(stack.file("pairs", f"{a.section.name}_{b.section.name}.npz"), recipe)


def match_sections(stack: Stack, a: Montaged, b: Montaged) -> Artifact:
    """Find the points of section `a` in section `b`; a few tiles of each are looked at at a time.

    Where too few features agree, or too few points are found, nothing is said of the pair.
    Raises InputError when a tile cannot be read.
    """
    settings = stack.config.alignment

    def write(path: Path) -> None:
        affine, inliers = coarse(read_overview(a.overview), read_overview(b.overview))
        found = Flow(*np.zeros((3, 0, 2)))
        if inliers >= settings.min_inliers:
            here, there = (SectionPicture(one.section, load(one.montage)) for one in (a, b))
            found = flow(here, there, affine, stack.box, settings)
        if len(found.points) < FEWEST_POINTS:
            found = found._replace(points=np.zeros((0, 2)), to=np.zeros((0, 2)))
        with open(path, "wb") as file:
            np.savez(file, sections=[a.section.z, b.section.z], inliers=inliers, **found._asdict())

    return make(pair_target(stack, a, b), write)


def read_pair(artifact: Artifact) -> Laid:
    with np.load(artifact.path) as file:
        a, b = file["sections"].tolist()
        return Laid(a, b, int(file["inliers"]), Flow(file["points"], file["to"], file["asked"]))
