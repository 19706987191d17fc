"""How sections become a volume: a section of a run file, and the document that `ffn align` reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from pipeline.settings.fields import (
    NUMBER,
    NaturalInt,
    PositiveFinite,
    PositiveInt,
    PositiveTriple,
    Section,
    Share,
)
from pipeline.settings.site import Site

Config = TypeVar("Config", bound="FromSections")

GREY = (128.0, 40.0)
"""Mean and standard deviation of the grey values of a section, as the volume shows it."""


class Tiles(Section):
    """The images of the sections, and where the microscope says that they lie."""

    table: str
    """CSV with columns file, section, x and y; a TrakEM2 project (.xml); or tile specifications as
    render and ASAP have them (.json). Relative paths in it are looked up from its folder."""
    units: Literal["pixel", "nm"] = "pixel"
    """Of x and y in a CSV."""
    voxel_size_nm: tuple[PositiveFinite, PositiveFinite, PositiveFinite]
    """Thickness of a section, then the height and the width of a pixel."""


class Montage(Section):
    """How the tiles of a section are put together."""

    max_shift: PositiveInt = 10
    """How far, in pixels, two neighbours may lie from where the table says, against each other."""
    min_overlap: PositiveInt = 12
    """Pixels that must be left of an overlap once `max_shift` is taken off; neighbours with less are not
    compared."""
    min_quality: Share = 0.3
    """Least correlation at which a shift between neighbours counts."""
    max_residual: PositiveFinite = 2.0
    """A shift that the others contradict by more pixels than this is refused."""


class Alignment(Section):
    """How sections are laid on each other."""

    reach: PositiveInt = 2
    """To how many following sections each is compared: with 2, one that is lost is bridged."""
    overview: PositiveInt = 1024
    """Longest side, in pixels, of the reduced pictures in which features are looked for."""
    min_inliers: PositiveInt = 12
    """Features that must agree on how two sections lie."""
    grid: PositiveInt = 32
    """Pixels between the points at which sections are compared; the spacing of the mesh too."""
    patch: PositiveInt = 48
    """Side, in pixels, of what is compared there; at the edges of sections what both have of it, if that is a
    quarter."""
    search: PositiveInt = 20
    """How far, in pixels, a point may lie from where the features put it."""
    min_quality: Share = 0.3
    """Least correlation at which a point counts; of a part of a patch more is asked, as the root of its share
    goes."""
    max_deviation: PositiveFinite = 4.0
    """A point that moves otherwise than those around it, by more pixels than this, is refused."""
    stiffness: PositiveFinite = 0.1
    """Against bending of a section, next to the pull of its points."""
    hold: PositiveFinite = 0.003
    """Of the places that the features give, next to the pull of the points. More drifts less, and leaves
    more of each section's own distortion."""
    drift_length: Annotated[int, Field(ge=0, le=1000), NUMBER] = 30
    """Over how many sections the bias of pairs stays about the same, where processes run obliquely. It adds
    up to a drift that is smooth over many sections, while the table has each section off by an error of its
    own: as far as the table contradicts the drift, it is taken off; how large both are is measured. 0: it
    stays, for a table that is itself off by what changes slowly."""
    group: PositiveInt = 32
    """Sections that are relaxed together."""
    group_overlap: NaturalInt = 12
    """Sections that two groups share; between them one goes over into the other."""

    @model_validator(mode="after")
    def _groups_go_on(self) -> Alignment:
        if not self.reach <= self.group_overlap < self.group:
            raise ValueError(
                f"group_overlap is {self.group_overlap}; it must be at least reach, {self.reach}, and less "
                f"than group, {self.group}"
            )
        return self


class AlignedVolume(Section):
    """The volume that is made, Neuroglancer precomputed, uint8; 0 is where nothing was imaged."""

    margin: NaturalInt = 16
    """Pixels by which it is larger, on all sides, than what the table places: sections are turned."""

    chunk: PositiveTriple = (16, 128, 128)
    """Voxels of one of its files, z, y, x."""
    block: PositiveTriple = (16, 512, 512)
    """Voxels that one task makes: whole chunks."""

    @model_validator(mode="after")
    def _whole_chunks(self) -> AlignedVolume:
        if any(b % c for b, c in zip(self.block, self.chunk)):
            raise ValueError(f"block {list(self.block)} must be multiples of chunk {list(self.chunk)}")
        return self


class FromSections(Section):
    """The images of sections, and how they become a volume: all that decides it."""

    tiles: Tiles
    corrections: str | None = None
    """CSV of shifts of pairs of tiles, and of sections to leave out, as a person found them:
    docs/sections.md. It is looked up as tiles.table is."""
    montage: Montage = Montage()
    alignment: Alignment = Alignment()
    volume: AlignedVolume = AlignedVolume()

    def looked_up_in(self: Config, folder: Path) -> Config:
        """With the paths in it absolute, relative ones from `folder`."""

        def located(path: str) -> str:
            return str((folder / os.path.expanduser(path)).resolve())

        tiles = self.tiles.model_copy(update={"table": located(self.tiles.table)})
        corrections = self.corrections and located(self.corrections)
        return self.model_copy(update={"tiles": tiles, "corrections": corrections})


class AlignConfig(FromSections):
    """Everything that decides how the volume of `ffn align` is made, and where."""

    site: Site = Site()
