"""Turn the tiles of sections into a volume."""

from __future__ import annotations

from parsl import python_app

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.sections.shifts import Pair
from pipeline.sections.stack import Stack
from pipeline.sections.tiles import TileSection


@python_app(executors=["light"])
def find_shifts(stack: Stack, section: TileSection, number: int, pairs: tuple[Pair, ...]) -> Artifact:
    """Compare some pairs of neighbouring tiles of a section."""
    from pipeline import sections

    return sections.find_shifts(stack, section, number, pairs)


@python_app(executors=["light"])
def make_montage(stack: Stack, section: TileSection, shifts: list[Artifact]) -> Artifact:
    """Place the tiles of a section."""
    from pipeline import sections

    return sections.make_montage(stack, section, shifts)


@python_app(executors=["light"])
def make_overview(stack: Stack, section: TileSection, montage: Artifact) -> Artifact:
    """Reduce a section to a small picture."""
    from pipeline import sections

    return sections.make_overview(stack, section, montage)


@python_app(executors=["light"])
def match_sections(
    stack: Stack,
    a: tuple[TileSection, Artifact, Artifact],
    b: tuple[TileSection, Artifact, Artifact],
) -> Artifact:
    """Lay one section on another; of each its tiles, its montage and its overview."""
    from pipeline import sections

    return sections.match_sections(stack, sections.Montaged(*a), sections.Montaged(*b))


@python_app(executors=["light"])
def place_sections(stack: Stack, pairs: list[Artifact]) -> Artifact:
    """Place all sections as wholes."""
    from pipeline import sections

    return sections.place_sections(stack, pairs)


@python_app(executors=["light"])
def relax_group(stack: Stack, group: tuple[int, ...], placed: Artifact, pairs: list[Artifact]) -> Artifact:
    """Bend sections near each other until what matches comes together."""
    from pipeline import sections

    return sections.relax_group(stack, group, placed, pairs)


@python_app(executors=["head"])
def create_aligned(stack: Stack) -> Artifact:
    """Describe the precomputed volume that the blocks are written to."""
    from pipeline import sections

    return sections.create_aligned(stack)


@python_app(executors=["light"])
def render_block(
    stack: Stack,
    block: Box,
    montages: dict[int, tuple[TileSection, Artifact]],
    placed: Artifact,
    groups: dict[int, Artifact],
    after: list[Artifact],
) -> Artifact:
    """Write one block of the aligned volume."""
    from pipeline import sections

    return sections.render_block(stack, block, montages, placed, groups)


@python_app(executors=["light"])
def judge(
    stack: Stack,
    montages: dict[int, tuple[TileSection, Artifact]],
    pairs: list[Artifact],
    placed: Artifact,
    groups: dict[int, Artifact],
) -> Artifact:
    """Write down how well everything fits."""
    from pipeline import sections

    return sections.judge(stack, montages, pairs, placed, groups)
