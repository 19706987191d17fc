"""What a run makes of its own input before anything reads it: a phantom, or an image of sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic

from apps import prepare
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.sections import read_stack
from pipeline.volumes.aligned import aligned_blocks
from workflows.section_stages import align
from workflows.stage import Stage, Submit, Task


@dataclass(frozen=True)
class Source(Generic[Task]):
    """The tasks that make a run's image, none where it is there."""

    stages: list[Stage[Task]]
    phantom: list[Task] = field(default_factory=list)
    """Before which neither image nor labels can be read."""
    blocks: Mapping[Box, Task] = field(default_factory=dict)
    """Of an image that is made of sections."""
    judged: list[Task] = field(default_factory=list)
    """How well these fit each other."""

    def image(self, run: Run, box: Box) -> list[Task]:
        """The tasks after which a box of the image can be read, where it is made of sections."""
        return [self.blocks[block] for block in aligned_blocks(run, box)]


def make_source(run: Run, submit: Submit[Task]) -> Source[Task]:
    """Submit what makes the image of a resolved run. Raises InputError where its sections cannot be read."""
    if run.config.sections is not None:
        stack, sections = read_stack(run.config.sections, run.folder)
        aligned = align(stack, sections, submit, judge_first="quality" in run.config.gates)
        return Source(aligned.stages, [], aligned.blocks, [aligned.quality])
    phantom = [submit(prepare.make_phantom, run)] if run.uses_phantom else []
    return Source([Stage("phantom", phantom)], phantom)
