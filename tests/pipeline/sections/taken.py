"""A few small sections as a made-up microscope takes them, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.sections.stack import Stack, read_stack
from pipeline.sections.tiles import TileSection
from pipeline.settings.sections import AlignConfig
from pipeline.synthetic.microscope import Microscope, Truth

SMALL = Microscope(
    sections=6, tile=112, overlap=32, wavelength=160, bent=1.5, moved=3, turned=1, margin=32,
    lost=(3,), missing=((1, 0, 1),),
)  # fmt: skip


@dataclass(frozen=True)
class Taken:
    """Sections on the disk."""

    folder: Path
    truth: Truth
    stack: Stack
    sections: dict[int, TileSection]


def settings(folder: Path) -> AlignConfig:
    return AlignConfig.model_validate(
        {"tiles": {"table": str(folder / "tiles.csv"), "voxel_size_nm": (40, 10, 10)}}
    )


def take(folder: Path) -> Taken:
    truth = SMALL.take(folder, seed=5)
    stack, sections = read_stack(settings(folder), folder / "run")
    return Taken(folder, truth, stack, sections)
