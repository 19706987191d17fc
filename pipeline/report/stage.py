"""The stage's two tasks: gather what is known of a run, and show it on a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.report.alignment import alignment
from pipeline.report.facts import facts
from pipeline.report.fit_pictures import draw_fits
from pipeline.report.objects import draw_objects
from pipeline.report.page import NO_FITS, Fits, alignment_page, page
from pipeline.report.slices import draw_slices
from pipeline.results.artifacts import Artifact, Recipe, Target, combined, file_sha256, publishing, remove
from pipeline.results.records import Missing, discard, make, read, record_path
from pipeline.run_files import RunFiles
from pipeline.run_folder import Run
from pipeline.settings.sections import FromSections

VERSION = 8


def facts_target(run: Run, model: Artifact, results: list[Artifact]) -> Target:
    """The run's report.json, which names every setting and where all lies; arguments as for `write_facts`."""
    inputs = {"model": model.sha256, "results": combined(results)}
    return Target(run.report_file, Recipe("report facts", VERSION, _named(run), inputs))


def _named(run: Run) -> dict[str, Any]:
    return {**run.config.model_dump(mode="json"), "folder": str(run.folder)}


def write_facts(run: Run, model: Artifact, results: list[Artifact]) -> Artifact:
    """Write report.json of a run whose other stages are done.

    `results` are the last artifacts of the run: the blocks of its volume, and its scores if it has any. What
    the report says of times and attempts is as it was when these were made. Raises InputError.
    """

    def write(path: Path) -> None:
        _put(path, _as_json(facts(run)))

    return make(facts_target(run, model, results), write)


def page_target(run: Run, said: Artifact) -> Target:
    """The run's report.html; arguments as for `write_page`."""
    return Target(run.report_page, Recipe("report page", VERSION, {}, {"facts": said.sha256}))


def write_page(run: Run, said: Artifact) -> Artifact:
    """Draw the pictures and write report.html, given report.json. Raises InputError."""

    def write(path: Path) -> None:
        _put(path, _drawn(run, json.loads(Path(said.path).read_bytes())))

    return make(page_target(run, said), write)


def write_report_now(run: Run, of_now: Mapping[str, str] | None = None) -> None:
    """Write both files as the run stands, however far it is.

    `of_now` are the paths of the results that the run as it is would make, each with its stage: others are
    not shown. None: not known.
    Of a run that is done they have records, which are written anew too; else they have none, and a start that
    goes on makes them again, also where that comes to the results of an earlier one. Raises InputError where
    they cannot be written.
    """
    said = facts(run, of_now)
    if said["state"]["kind"] != "good":
        for file in (run.report_file, run.report_page):
            remove(record_path(file))
    written = _write(run.report_file, _as_json(said), _named(run), {})
    _write(run.report_page, _drawn(run, said), {}, {"facts": written.sha256})


def _write(file: Path, text: str, settings: dict[str, Any], inputs: dict[str, str]) -> Artifact:
    """Write a file anew, and its record if it has one, with other `settings` and `inputs` where there are."""
    record = read(file)
    if isinstance(record, Missing):
        with publishing(file) as temporary:
            _put(temporary, text)
        return Artifact(str(file), file_sha256(file))
    recipe = Recipe(
        record["stage"],
        record["version"],
        {**record["settings"], **settings},
        {**record["inputs"], **inputs},
    )
    target = Target(file, recipe)
    discard(target)
    return make(target, lambda path: _put(path, text))


def _put(path: Path, text: str) -> None:
    """Write UTF-8, whatever the locale; of a file's name that is no text, what is none becomes `?`."""
    path.write_text(text, encoding="utf-8", errors="replace")


def _drawn(run: Run, said: dict[str, Any]) -> str:
    """The page, with its pictures or with why there are none: the rest of it is as true without them."""
    fits = NO_FITS
    if said["alignment"] and run.config.sections:
        fits = _fits(run.config.sections, run, said["alignment"])
    try:
        slices = draw_slices(run, said["slices"])
        objects = draw_objects(run, said["objects"]) if said["objects"] else None
        return page(said, slices, objects, fits=fits)
    except InputError as error:
        return page(said, [], None, str(error), fits)


def write_alignment_report(files: RunFiles, settings: FromSections) -> None:
    """Write report.html and report.json of an alignment that is no run's, as it stands. Raises InputError."""
    found = alignment(files)
    if found is None:
        raise InputError(f"{files.quality_file} is not there: the alignment has not come so far")
    said = {"run": {"folder": str(files.folder), "name": files.folder.name}, "alignment": found}
    _write(files.report_file, _as_json(said), {}, {})
    _write(files.report_page, alignment_page(said, _fits(settings, files, found)), {}, {})


def _fits(settings: FromSections, files: RunFiles, found: dict[str, Any]) -> Fits:
    try:
        return Fits(draw_fits(settings, files.folder, found["pictures"]))
    except InputError as error:
        return Fits(why_none=str(error))


def _as_json(said: dict[str, Any]) -> str:
    return json.dumps(said, indent=1, allow_nan=False) + "\n"
