"""The stage's task: gather what is known of a run, draw its pictures, write the page and its JSON twin."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.errors import InputError
from pipeline.report.facts import facts
from pipeline.report.objects import largest_objects
from pipeline.report.page import page
from pipeline.report.slices import Picture, slices
from pipeline.results.artifacts import Artifact, Recipe, Target, combined, publishing
from pipeline.results.records import make
from pipeline.run_folder import Run

VERSION = 1


def report_target(run: Run, model: Artifact, results: list[Artifact]) -> Target:
    """The run's report.json; arguments as for `write_report`."""
    inputs = {"model": model.sha256, "results": combined(results)}
    return Target(run.report_file, Recipe("report", VERSION, {}, inputs))


def write_report(run: Run, model: Artifact, results: list[Artifact]) -> Artifact:
    """Write report.json and report.html of a run whose stages are done.

    `results` are the last artifacts of the run: the blocks of its volume, and its scores if it has any. What
    the report says of times and attempts is as it was when these were made.
    """

    def write(path: Path) -> None:
        _write(run, path)

    return make(report_target(run, model, results), write)


def write_report_now(run: Run) -> None:
    """Write both files as the run stands, however far it is; there is no record of them.

    Raises InputError where they cannot be written.
    """
    with publishing(run.report_file) as temporary:
        _write(run, temporary)


def _write(run: Run, path: Path) -> None:
    """Write the JSON to `path`, and the page to its own place."""
    said = facts(run)
    drawn: list[Picture] = []
    objects = None
    try:
        drawn, objects = slices(run), largest_objects(run)
        said["no_pictures"] = ""
    except InputError as error:  # the rest of the report is as true without them
        said["no_pictures"] = str(error)
    said["pictures"] = [{"alt": p.alt, **p.facts} for p in [*drawn, *([objects] if objects else [])]]
    with publishing(run.report_page) as temporary:
        temporary.write_text(page(said, drawn, objects))
    path.write_text(json.dumps(said, indent=1, allow_nan=False) + "\n")
