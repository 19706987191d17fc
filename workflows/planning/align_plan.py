"""What `ffn align` would do: how much it is, and what of it is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact
from pipeline.run_files import ALIGN_CONFIG_NAME
from pipeline.run_folder import Run
from pipeline.sections.stack import Stack, read_stack
from pipeline.sections.tiles import TileSection
from pipeline.settings.align_file import load_align_config
from site_configs.stage_jobs import TILES, has_light_jobs
from workflows.output import say
from workflows.planning.dry_run import print_jobs
from workflows.planning.earlier import so_made
from workflows.planning.explain import Outcome, outcomes_of, status_of
from workflows.planning.stage_table import stage_table
from workflows.section_stages import align
from workflows.stage import Stage


def alignment_outcomes(stack: Stack, sections: Mapping[int, TileSection]) -> list[Stage[Outcome]]:
    """Of every task, what would be reused, or why it would run."""
    return outcomes_of(lambda submit: align(stack, sections, submit).stages)


def told_of_volume(folder: Path) -> list[str]:
    """That the volume in the folder of `ffn align` is not, all of it, of the settings and images that it has
    now, for who looks at it or takes it along; or why that cannot be told."""
    try:
        stack, sections = read_stack(load_align_config(folder / ALIGN_CONFIG_NAME), folder.resolve())
        stages = so_made(lambda submit: align(stack, sections, submit).stages)
    except InputError as error:
        return [f"whether all of the volume is of the alignment as it is cannot be told: {error}"]
    parts = next(stage.tasks for stage in stages if stage.name == "render")
    others = sum(not isinstance(part, Artifact) for part in parts)
    if not others:
        return []
    return [
        f"of the volume {others:,} of {len(parts):,} parts have yet to be made, or made anew: what is there "
        "of them is of an earlier state of the alignment"
    ]


def print_align_plan(
    run: Run,
    stack: Stack,
    sections: Mapping[int, TileSection],
    doubtful: Sequence[str],
    console: Console,
) -> None:
    """Say what there is, what is `doubtful` of it, by stage what is finished and what would run, and which
    jobs a batch system would be given."""
    images = sum(len(section.tiles) for section in sections.values())
    z, y, x = stack.box.shape
    lines = [
        *(f"warning: {line}" for line in doubtful),
        f"sections    {len(sections):,} of {images:,} images, in {stack.config.tiles.table}",
        f"volume      {z} x {y} x {x} voxels at {stack.box}, in {stack.volume_folder}",
        "",
    ]
    say(console, *lines)
    statuses = [status_of(stage) for stage in alignment_outcomes(stack, sections)]
    console.print(stage_table(statuses, "would run"), soft_wrap=True)
    print_jobs(run, console, unused=[TILES] if has_light_jobs(run) else [])
    console.print("Nothing was written: this was a dry run.", highlight=False)
