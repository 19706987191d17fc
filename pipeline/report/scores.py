"""What came out: the segmentation in few numbers, its scores, and the errors that cost most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.evaluation.verdicts import read_verdicts
from pipeline.reconciliation.outcome import read_outcome
from pipeline.report.published import published
from pipeline.results.unreadable import Look, read_if_there
from pipeline.run_folder import Run
from pipeline.settings.scored import why_not_scored
from pipeline.viewing.links import point_link

MOST_WRONG = 25


def outcome(run: Run, look: Look) -> dict[str, Any] | None:
    """Segments and their voxels, and each reason to doubt them; None before there is a segmentation."""
    found = look(read_outcome, run)
    if found is None:
        return None
    voxels = run.grid.tiled_voxels
    return {
        "segments": found.segments,
        "segmented_share": found.voxels / voxels,
        "largest_share": found.largest / max(1, found.voxels),
        "doubts": found.doubts(voxels),
    }


def scores(run: Run, look: Look) -> dict[str, Any] | None:
    """The run's metrics.json as it is, and what others reached; None where nothing is scored (yet)."""
    found = _json(run.metrics_file, look)
    return None if found is None else {"box": str(run.config.evaluation.box), **found, **published(run)}


def why_no_scores(run: Run) -> str | None:
    """Why the run scores nothing; None where it does or will."""
    if run.config.data.labels is None:
        return "data.labels is not set: there is nothing to score against"
    return why_not_scored(run)


def worst(run: Run, look: Look) -> dict[str, Any] | None:
    """The run's worst.json, shortened, each error with a person's verdict and a link into `ffn view`."""
    found = _json(run.worst_file, look)
    if found is None:
        return None
    verdicts = look(read_verdicts, run.verdicts_file) or {}
    rows = [
        {
            **error,
            "verdict": verdicts.get(error["what"], ""),
            "link": point_link(run, error["point"], segments=error["segments"], truth=error["truth"])
            if error["point"]
            else None,
        }
        for error in found["worst"][:MOST_WRONG]
    ]
    return {**found, "worst": rows}


def _json(path: Path, look: Look) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none that is whole."""
    text = look(read_if_there, path)
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
