"""The picture of the folder of `ffn align` alone, as `status_view` has it of a run's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType

from pipeline.checkup.sections import doubts
from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact
from pipeline.results.unreadable import Look
from pipeline.run_files import ALIGN_CONFIG_NAME
from pipeline.run_folder import Run
from pipeline.sections.stack import load, read_stack
from pipeline.settings.align_file import as_run, load_align_config
from pipeline.settings.sections import FromSections
from workflows.planning.align_plan import alignment_outcomes
from workflows.planning.explain import refusals, status_of
from workflows.planning.stage_table import stage_table
from workflows.running.alignment_lines import alignment_lines
from workflows.watching.run_state import ends_of_logs, last_attempt, read_failures
from workflows.watching.status_view import what_failed, who_works


def alignment_view(folder: Path) -> Iterator[RenderableType]:
    """The picture, part by part. Raises InputError where the settings in `folder` cannot be read.

    What else cannot be read is told in a line, and the rest is shown.
    """
    settings = load_align_config(folder / ALIGN_CONFIG_NAME)
    run, look = Run(folder.resolve(), as_run(settings)), Look()
    attempt = look(last_attempt, run.folder)
    began = attempt.began if attempt else time.time()
    who = list(who_works(run, attempt, look))
    failures = look(read_failures, run, began) or []
    ends = None if attempt and attempt.exit == 0 else look(ends_of_logs, run, began)
    yield from who
    yield from look.untold
    yield from _stages(settings, run)
    yield from what_failed(run, failures, ends or [])


def _stages(settings: FromSections, run: Run) -> Iterator[RenderableType]:
    """What is doubtful of the input, what is done, and how well everything fits as soon as that is known."""
    try:
        stack, sections = read_stack(settings, run.folder)
    except InputError as error:
        yield f"\nThe tiles cannot be read from here, nor can be told what is done: {error}"
        return
    yield from (f"warning: {line}" for line in doubts(stack, sections))
    yield ""
    stages = alignment_outcomes(stack, sections)
    yield stage_table([status_of(stage) for stage in stages], "to do", {})
    yield from map(str, refusals(stages))
    for judged in next(stage.tasks for stage in stages if stage.name == "quality"):
        if isinstance(judged, Artifact):
            yield from alignment_lines(load(judged), run)
