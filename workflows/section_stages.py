"""Tasks from tiles of sections to an aligned volume: which waits for which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from apps import sections as apps
from pipeline import sections as science
from pipeline.geometry import Box
from pipeline.sections.stack import Stack
from pipeline.sections.tiles import TileSection
from workflows.stage import Stage, Submit, Task


@dataclass(frozen=True)
class Aligned(Generic[Task]):
    """An alignment that was submitted."""

    stages: list[Stage[Task]]
    blocks: Mapping[Box, Task]
    """Of the volume, each with the task that writes it."""
    quality: Task
    """How well everything fits."""


def align(
    stack: Stack, sections: Mapping[int, TileSection], submit: Submit[Task], judge_first: bool = False
) -> Aligned[Task]:
    """Hand every task of an alignment to `submit`. With `judge_first` nothing of the volume is written before
    it is known how well everything fits."""
    shifts: list[Task] = []
    montages: dict[int, Task] = {}
    for z, section in sections.items():
        batches = science.batches(section, stack.config.montage)
        of_section = [submit(apps.find_shifts, stack, section, *batch) for batch in enumerate(batches)]
        montages[z] = submit(apps.make_montage, stack, section, of_section)
        shifts += of_section
    overviews = {z: submit(apps.make_overview, stack, s, montages[z]) for z, s in sections.items()}
    montaged = {z: (section, montages[z], overviews[z]) for z, section in sections.items()}
    pairs = {
        (a, b): submit(apps.match_sections, stack, montaged[a], montaged[b]) for a, b in stack.section_pairs
    }
    placed = submit(apps.place_sections, stack, list(pairs.values()))
    groups = {
        number: submit(
            apps.relax_group, stack, group, placed, [pairs[p] for p in science.pairs_of_group(stack, group)]
        )
        for number, group in enumerate(stack.groups)
    }
    volume = submit(apps.create_aligned, stack)
    all_parts = {z: one[:2] for z, one in montaged.items()}
    judged = submit(apps.judge, stack, all_parts, list(pairs.values()), placed, groups)
    before = [volume, judged] if judge_first else [volume]
    written: dict[Box, Task] = {}
    for block in science.blocks(stack):
        parts = {z: montaged[z][:2] for z in science.sections_of(stack, block)}
        relaxed = {number: groups[number] for number in science.groups_of_block(stack, block)}
        written[block] = submit(apps.render_block, stack, block, parts, placed, relaxed, after=before)
    stages = [
        Stage("shifts", shifts),
        Stage("montage", list(montages.values())),
        Stage("overview", list(overviews.values())),
        Stage("match", list(pairs.values())),
        Stage("place", [placed]),
        Stage("relax", list(groups.values())),
        Stage("render", [volume, *written.values()]),
        Stage("quality", [judged]),
    ]
    return Aligned([stage for stage in stages if stage.tasks], written, judged)
