"""A few small sections as a made-up microscope takes them, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parsl.app.python import PythonApp

from pipeline.results.artifacts import Artifact
from pipeline.sections.stack import Stack, read_stack
from pipeline.sections.tiles import TileSection
from pipeline.settings.sections import AlignConfig
from pipeline.synthetic.microscope import Microscope, Truth

SMALL = Microscope(
    sections=6, tile=112, overlap=32, wavelength=240, bent=1.5, moved=3, turned=1, margin=32,
    lost=(3,), missing=((1, 0, 1),),
)  # fmt: skip


@dataclass(frozen=True)
class Taken:
    """Sections on the disk."""

    folder: Path
    truth: Truth
    stack: Stack
    sections: dict[int, TileSection]


def settings(folder: Path, **changes: Any) -> AlignConfig:
    volume = {"chunk": (2, 64, 64), "block": (4, 192, 192)}
    tiles = {"table": str(folder / "tiles.csv"), "voxel_size_nm": (40, 10, 10)}
    return AlignConfig.model_validate({"tiles": tiles, "volume": volume, **changes})


def take(folder: Path) -> Taken:
    truth = SMALL.take(folder, seed=5)
    stack, sections = read_stack(settings(folder), folder / "run")
    return Taken(folder, truth, stack, sections)


def run_now(app: PythonApp, *args: Any, **kwargs: Any) -> Artifact:
    """Submit a task as a chain does, and have it made at once."""
    made = app.func(*args, **kwargs)
    assert isinstance(made, Artifact), made  # Parsl's apps give back what they should raise
    return made
