"""All that the report says, as one JSON object: the page shows nothing that is not in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pipeline.checkup.before_run import read_warnings
from pipeline.errors import InputError
from pipeline.report import history
from pipeline.report.alignment import alignment
from pipeline.report.earlier import Earlier, made_by
from pipeline.report.headline import cards, state
from pipeline.report.objects import largest_objects
from pipeline.report.scores import (
    agglomeration,
    conflicts,
    corrections,
    outcome,
    run_length,
    scores,
    shapes,
    why_no_scores,
    worst,
)
from pipeline.report.slices import sections
from pipeline.report.tiles import tiles
from pipeline.report.training import choice, training
from pipeline.results.bucket import Bucket
from pipeline.results.gates import words
from pipeline.results.log_lines import lines_of
from pipeline.results.parts import has_part
from pipeline.results.unreadable import ABSENT, Look, reading
from pipeline.run_folder import Run

P = ParamSpec("P")
Found = TypeVar("Found")

MOST_FAILURES = 20
SEGMENTATION = "segmentation (Neuroglancer precomputed)"


def facts(run: Run, of_now: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What is known of a run, at work, failed or done, from its folder alone.

    What cannot be read is left out and named under `untold`, and so is what is of an earlier state of the
    run: `of_now` are the paths of the results that it would make as it is, each with its stage. None: not
    known.
    """
    look = Look()
    tried, found = history.attempts(run, look), history.records(run, look)
    earlier = Earlier(run, found, of_now)
    look.untold += earlier.told()
    shown, corrects = earlier.unless, run.config.reconciliation.corrections is not None
    failed = _failures(run, tried, look)
    stages = history.stages(run, earlier.records_of_now, tried)
    done = {stage["name"] for stage in stages if stage["finished"] >= stage["tasks"]}
    last = tried[-1]["attempt"] if tried else None
    given_up = [f for f in failed if not f["tried_again"] and f["attempt"] == last]
    gone = {Path(f.get("target", "")).stem for f in given_up}
    said = {
        "run": {"folder": str(run.folder), "name": run.folder.name, "site": run.config.site.name},
        "attempts": tried,
        "stages": stages,
        "timeline": history.timeline(found, tried),
        "training": None if look(earlier.has_training_log, run) else training(run, look, "train" in done),
        "choice": shown("choose", choice, run, look),
        "tiles": tiles(run, earlier.records_of_now, earlier.records_before, gone, look),
        "outcome": shown("correct" if corrects else "merge", outcome, run, look, "properties" in done),
        "shapes": look(shapes, run, earlier.stages) or [],
        "agglomeration": shown("agglomerate", agglomeration, run, look),
        "corrections": shown("correct", _or_told, look, corrections, run, look),
        "conflicts": shown("conflicts", _or_told, look, conflicts, run, look),
        "scores": shown("score", scores, run, look),
        "run_length": shown("run length", run_length, run, look),
        "why_no_scores": _or_told(look, why_no_scores, run),
        "gates": _or_told(look, words, run.folder) or [],
        "worst": shown("worst", _or_told, look, worst, run, look),
        "alignment": shown("quality", _or_told, look, alignment, run) if run.config.sections else None,
        "slices": shown(
            "render" if run.config.sections else None, look, sections, run, "write" not in earlier.stages
        )
        or [],
        "objects": shown("write", _or_told, look, largest_objects, run),
        "failures": failed[:MOST_FAILURES],
        "failures_in_all": len(failed),
        "warnings": look(read_warnings, run) or [],
        "files": _files(run, earlier, look),
        "settings": run.config.model_dump(mode="json"),
    }
    return {"state": state(run, said, look), "cards": cards(said), **said, "untold": look.untold}


def _or_told(look: Look, read: Callable[P, Found], *args: P.args, **kwargs: P.kwargs) -> Found | None:
    """What is read; None where an input or a result is not as it should be, which is told as all else is."""
    try:
        return read(*args, **kwargs)
    except InputError as error:
        look.untold.append(str(error))
        return None


def _failures(run: Run, tried: list[dict[str, Any]], look: Look) -> list[dict[str, Any]]:
    """The failures of tasks, the newest first, each with the attempt in which it was."""
    found = []
    for failure in reversed(look(lines_of, run.failures_log) or []):
        if {"time", "tried_again", "error"} <= failure.keys():
            began = [attempt["attempt"] for attempt in tried if attempt["began"] <= failure["time"]]
            found.append({**failure, "attempt": began[-1] if began else None})
    return found


def _files(run: Run, earlier: Earlier, look: Look) -> list[dict[str, Any]]:
    """Where everything lies that somebody may look for, with its size; a folder's is not added up.

    What a stage has made is left out where that is of an earlier state of the run.
    """
    wanted = {
        "settings, resolved": run.config_file,
        "volume made of sections (Neuroglancer precomputed)": run.aligned_folder,
        "how well sections fit each other": run.quality_file,
        "network": run.model_file,
        "scores of the networks that were tried": run.validation_file,
        SEGMENTATION: run.segmentation_folder,
        "tiles": run.folder / "tiles",
        "which segment of which tile is which": run.id_table_file,
        "what became of corrections": run.corrections_file,
        "where tiles contradict each other": run.conflicts_file,
        "agglomeration: graph and table of ids": run.agglomeration_file,
        "edges of the agglomeration graph": run.edges_file,
        "scores": run.metrics_file,
        "run length along skeletons": run.run_length_file,
        "skeletons made from the labels": run.folder / "evaluation" / "skeletons.npz",
        "errors that cost most": run.worst_file,
        "verdicts on them, to be filled in": run.verdicts_file,
        "rates, for the plans of others": run.rates_file,
        "what the run said": run.driver_log,
        "failures of tasks": run.failures_log,
        "logs": run.logs_folder,
    }
    in_bucket = []
    stages, written = made_by(run), "write" not in earlier.stages
    if written and isinstance(run.volume, Bucket) and look(has_part, run.volume, "info"):
        in_bucket = [{"what": SEGMENTATION, "path": run.volume_uri, "bytes": 0}]
    return in_bucket + [
        {"what": what, "path": os.path.relpath(path, run.folder), "bytes": size}
        for what, path in wanted.items()
        if stages.get(path) not in earlier.stages and (size := look(_size, path)) is not None
    ]


def _size(path: Path) -> int | None:
    """Bytes of a file, 0 of a folder, None where there is neither. Raises Unreadable."""
    try:
        with reading(path):
            return 0 if path.is_dir() else path.stat().st_size
    except ABSENT:
        return None
