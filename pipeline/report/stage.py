"""The stage's two tasks: gather what is known of a run, and show it on a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.report.facts import facts
from pipeline.report.objects import draw_objects
from pipeline.report.page import page
from pipeline.report.slices import draw_slices
from pipeline.results.artifacts import Artifact, Recipe, Target, combined, file_sha256, publishing
from pipeline.results.records import Missing, discard, make, read
from pipeline.run_folder import Run

VERSION = 2


def facts_target(run: Run, model: Artifact, results: list[Artifact]) -> Target:
    """The run's report.json; arguments as for `write_facts`."""
    inputs = {"model": model.sha256, "results": combined(results)}
    return Target(run.report_file, Recipe("report facts", VERSION, {}, inputs))


def write_facts(run: Run, model: Artifact, results: list[Artifact]) -> Artifact:
    """Write report.json of a run whose other stages are done.

    `results` are the last artifacts of the run: the blocks of its volume, and its scores if it has any. What
    the report says of times and attempts is as it was when these were made. Raises InputError.
    """

    def write(path: Path) -> None:
        path.write_text(_as_json(facts(run)))

    return make(facts_target(run, model, results), write)


def page_target(run: Run, said: Artifact) -> Target:
    """The run's report.html; arguments as for `write_page`."""
    return Target(run.report_page, Recipe("report page", VERSION, {}, {"facts": said.sha256}))


def write_page(run: Run, said: Artifact) -> Artifact:
    """Draw the pictures and write report.html, given report.json. Raises InputError."""

    def write(path: Path) -> None:
        path.write_text(_drawn(run, json.loads(Path(said.path).read_text())))

    return make(page_target(run, said), write)


def write_report_now(run: Run) -> None:
    """Write both files as the run stands, however far it is.

    Of a run that is done they have records, which are written anew too; else they have none, and a start that
    goes on makes them again. Raises InputError where they cannot be written.
    """
    said = facts(run)
    written = _write(run.report_file, _as_json(said), {})
    _write(run.report_page, _drawn(run, said), {"facts": written.sha256})


def _write(file: Path, text: str, inputs: dict[str, str]) -> Artifact:
    """Write a file anew, and its record if it has one, with other `inputs` where they are named."""
    record = read(file)
    if isinstance(record, Missing):
        with publishing(file) as temporary:
            temporary.write_text(text)
        return Artifact(str(file), file_sha256(file))
    recipe = Recipe(record["stage"], record["version"], record["settings"], {**record["inputs"], **inputs})
    target = Target(file, recipe)
    discard(target)

    def write(path: Path) -> None:
        path.write_text(text)

    return make(target, write)


def _drawn(run: Run, said: dict[str, Any]) -> str:
    """The page, with its pictures or with why there are none: the rest of it is as true without them."""
    try:
        slices = draw_slices(run, said["slices"])
        objects = draw_objects(run, said["objects"]) if said["objects"] else None
        return page(said, slices, objects)
    except InputError as error:
        return page(said, [], None, str(error))


def _as_json(said: dict[str, Any]) -> str:
    return json.dumps(said, indent=1, allow_nan=False) + "\n"
