"""The chain from tiles of sections to an aligned volume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.results.artifacts import publishing
from pipeline.run_folder import Run
from pipeline.settings.align_file import dump_align_config
from workflows.output import KeepingConsole

if TYPE_CHECKING:
    from parsl.config import Config
    from parsl.dataflow.memoization import Memoizer

    from pipeline.sections.stack import Stack
    from pipeline.sections.tiles import TileSection
    from site_configs.executors import RetryHandler
    from workflows.stage import Stage, Submit, Task

CONFIG_NAME = "align.yaml"
"""Of the file in the folder of an alignment that holds the settings of its last start."""

MOST_NAMED = 5


@dataclass(frozen=True)
class Aligning:
    """The chain of a stack, from its tiles to its volume."""

    run: Run
    """Of the alignment it has the folder and the site, and nothing else."""
    stack: Stack
    sections: Mapping[int, TileSection]

    def parsl_config(self, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
        from site_configs import parsl_config

        return parsl_config(self.run, memoizer, retry_handler)

    def build(self) -> list[Stage[Any]]:
        from workflows.running.submission import Submission
        from workflows.stage import call

        with publishing(self.run.folder / CONFIG_NAME) as temporary:
            temporary.write_text(dump_align_config(self.stack.config))
        return build(self.stack, self.sections, Submission(call, verify=False).submit)

    def end(self, stages: list[Stage[Any]], console: KeepingConsole) -> None:
        from workflows.running.summary import cause_lines

        if not any(future.exception() for stage in stages for future in stage.tasks):
            found = json.loads(self.stack.quality_file.read_text())
            lines = summary(found, self.stack)
        else:
            console = console.on_stderr()
            lines = cause_lines(stages)
            lines += [
                f"Everything else is finished and kept in {self.run.folder}; logs: {self.run.logs_folder}."
            ]
            lines += ["Run the same command again to try just what is missing."]
        console.print(*lines, sep="\n", highlight=False, soft_wrap=True, markup=False)


def build(stack: Stack, sections: Mapping[int, TileSection], submit: Submit[Task]) -> list[Stage[Task]]:
    """Hand every task of an alignment to `submit`; returns the stages in order."""
    from apps import sections as apps
    from pipeline import sections as science
    from workflows.stage import Stage

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
    written = []
    for block in science.blocks(stack):
        parts = {z: montaged[z][:2] for z in science.sections_of(stack, block)}
        relaxed = {number: groups[number] for number in science.groups_of_block(stack, block)}
        written.append(submit(apps.render_block, stack, block, parts, placed, relaxed, after=[volume]))
    all_parts = {z: one[:2] for z, one in montaged.items()}
    judged = submit(apps.judge, stack, all_parts, list(pairs.values()), placed, groups)
    return [
        Stage("shifts", shifts),
        Stage("montage", list(montages.values())),
        Stage("overview", list(overviews.values())),
        Stage("match", list(pairs.values())),
        Stage("place", [placed]),
        Stage("relax", list(groups.values())),
        Stage("volume", [volume]),
        Stage("render", written),
        Stage("quality", [judged]),
    ]


def doubts(stack: Stack, sections: Mapping[int, TileSection]) -> list[str]:
    """What is not there of what the table lists."""
    told = []
    missing = [name for section in sections.values() for name in section.missing]
    if missing:
        count = len(missing)
        told.append(
            f"{count:,} {_are('image', count)} missing in sections that have others: {_first(missing)}"
        )
    if stack.lost:
        count = len(stack.lost)
        told.append(f"{count:,} {_are('section', count)} lost and will be 0: {_first(stack.lost)}")
    return told


def summary(found: Mapping[str, Any], stack: Stack) -> list[str]:
    """What the command says at its end, of the contents of the quality file."""
    montage, alignment = found["montage"], found["alignment"]
    lines = [
        "",
        f"sections      {found['sections']:,}; images missing in them {len(found['missing']):,}, lost "
        f"sections {len(found['lost']):,}",
        f"montage       {montage['pairs']:,} pairs, {len(montage['refused']):,} refused, "
        f"{len(montage['guessed']):,} tiles placed by the table alone; residuals "
        f"{_px(montage['residual_px'])}",
        f"alignment     {alignment['pairs']:,} pairs of sections, {len(alignment['refused']):,} refused; of "
        f"{alignment['points']['asked']:,} points {alignment['points']['found']:,} found, "
        f"{alignment['left_out']:,} left out; residuals {_px(alignment['residual_px'])}",
    ]
    if alignment["worst"]:
        worst = alignment["worst"][0]
        lines.append(
            f"the worst     sections {worst['a']} and {worst['b']}, where 5% of the points are "
            f"{worst['95%']:.1f} pixels and more apart"
        )
    parts = alignment["parts"]
    if len(parts) > 1:
        lines.append(
            f"WARNING: {len(parts)} parts between which nothing matches; how they lie on each other is a "
            f"guess. They begin with sections {_first([part[0] for part in parts])}"
        )
    if found["cut"]:
        lines.append(
            f"cut           {len(found['cut']):,} sections stick out of the volume, by up to "
            f"{max(found['cut'].values()):.0f} pixels: volume.margin makes it larger"
        )
    if found["lost"]:
        lines.append(
            f"lost          {_first(found['lost'])}: blank in the volume; a run's data.replace_sections "
            "shows a neighbour in the place of one"
        )
    lines += [
        f"volume        {stack.volume_folder}",
        f"quality       {stack.quality_file}",
        f"segment it    --set data.image=precomputed://file://{stack.volume_folder}",
    ]
    return lines


def _are(noun: str, count: int) -> str:
    return f"{noun} is" if count == 1 else f"{noun}s are"


def _px(figures: Mapping[str, float | None]) -> str:
    if figures["median"] is None:
        return "none"
    return f"{figures['median']:.2f} pixels on the median, at most {figures['largest']:.2f}"


def _first(names: Any) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(str, names[:MOST_NAMED])) + more
