"""What is not there of the sections of which a run, or an alignment, makes a volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.run_folder import Run

if TYPE_CHECKING:
    from pipeline.sections.stack import Stack
    from pipeline.sections.tiles import TileSection

MOST_NAMED = 5


def sections(run: Run) -> Finding:
    """What the table has of sections and images, and which are not there. Raises InputError."""
    if run.config.sections is None:
        return skip("the run makes its image of none")
    from pipeline.sections import read_stack  # which loads SciPy

    stack, there = read_stack(run.config.sections, run.folder)
    tiles = sum(len(section.tiles) for section in there.values())
    found = f"{len(stack.sections):,} sections of {tiles:,} images, a volume at {stack.box}"
    doubtful = doubts(stack, there, run.config.data.replace_sections)
    return warn(found, "; ".join(doubtful)) if doubtful else ok(found)


def doubts(
    stack: Stack, sections: Mapping[int, TileSection], replaced: Mapping[int, int] | None = None
) -> list[str]:
    """What is not there of what the table lists; lost sections that are `replaced` are no doubt."""
    told = []
    missing = [name for section in sections.values() for name in section.missing]
    if missing:
        count = len(missing)
        told.append(
            f"{count:,} {_are('image', count)} missing in sections that have others: {first(missing)}"
        )
    excluded = [one.section for one in stack.excluded]
    lost = [z for z in stack.lost if z not in excluded]
    for which, why in ((lost, "lost"), (excluded, "left out by corrections")):
        blank = [z for z in which if z not in (replaced or {})]
        if blank:
            count = len(blank)
            told.append(f"{count:,} {_are('section', count)} {why} and will be 0: {first(blank)}")
    return told


def _are(noun: str, count: int) -> str:
    return f"{noun} is" if count == 1 else f"{noun}s are"


def first(names: Any) -> str:
    """Some of many names."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(str, names[:MOST_NAMED])) + more
