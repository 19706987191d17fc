"""What came out: the segmentation in few numbers, its scores, and the errors that cost most."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pipeline.evaluation.conventions import CONVENTIONS
from pipeline.evaluation.trust import doubts, doubts_of_run_length
from pipeline.evaluation.verdicts import read_verdicts
from pipeline.reconciliation.outcome import read_outcome
from pipeline.reconciliation.segments import count_in_volume
from pipeline.reconciliation.shapes.listing import read_told
from pipeline.reconciliation.shapes.stored import kinds
from pipeline.report.history import STAGES
from pipeline.report.published import published
from pipeline.results.agglomerated_ids import read_summary
from pipeline.results.unreadable import Look, read_if_there
from pipeline.run_folder import Run
from pipeline.settings.scored import why_not_scored
from pipeline.viewing.links import point_link

MOST_WRONG = 25
MEASURED = {"erl_nm", "nerl", "merge_threshold_nodes", "voxel_size_nm", "length_outside_nm", "worst"}
SCORED = {*CONVENTIONS, "cremi", "coverage", "seen_in_training", "labelled_share", "ignored_share"}


def outcome(run: Run, look: Look, is_listed: bool) -> dict[str, Any] | None:
    """Segments and their voxels, and each reason to doubt them; None before there is a segmentation.

    `segments` are those of the volume, once `is_listed`, and `segments_of_tiles` may be some more.
    """
    found = look(read_outcome, run)
    if found is None:
        return None
    voxels = run.grid.tiled_voxels
    return {
        "segments": look(count_in_volume, run) if is_listed else None,
        "segments_of_tiles": found.segments,
        "segmented_share": found.voxels / voxels,
        "largest_share": found.largest / max(1, found.voxels),
        "doubts": found.doubts(voxels),
    }


def shapes(run: Run, earlier: Collection[str] = ()) -> list[str]:
    """Of each kind of shapes that there are, how many, and what has none; nothing of the stages `earlier`.

    Raises Unreadable.
    """
    told = {kind: read_told(run, kind) for kind in kinds(run) if STAGES[f"list {kind.folder}"] not in earlier}
    return [found.text(kind) for kind, found in told.items() if found is not None]


def conflicts(run: Run, look: Look) -> dict[str, Any] | None:
    """The run's conflicts.json, shortened, each with a link into `ffn view`; None before there is one."""
    found = _json(run.conflicts_file, {"conflicts", "joined", "worst"}, look)
    if found is None:
        return None
    rows = [
        {**row, "link": point_link(run, row["point"], segments=row["segments"])}
        for row in found["worst"][:MOST_WRONG]
    ]
    return {"without_voxels": 0, **found, "worst": rows}  # an earlier version did not count them


def corrections(run: Run, look: Look) -> dict[str, Any] | None:
    """The run's corrections.json, those first that were not made; None where there is none (yet)."""
    if run.config.reconciliation.corrections is None:
        return None
    found = _json(run.corrections_file, {"file", "counts", "corrections"}, look)
    if found is None:
        return None
    rows = sorted(found["corrections"], key=lambda row: row["why_not"] is None)[:MOST_WRONG]
    linked = [{**row, "link": point_link(run, row["points"][0], segments=row["segments"])} for row in rows]
    return {**found, "corrections": linked, "in_all": len(found["corrections"])}


def agglomeration(run: Run, look: Look) -> dict[str, int] | None:
    """Decision points, joins, calls and joined segments; None where nothing is agglomerated (yet)."""
    return look(read_summary, run.agglomeration_file) if run.config.agglomeration.enabled else None


def scores(run: Run, look: Look) -> dict[str, Any] | None:
    """The run's metrics.json as it is, and what others reached; None where nothing is scored (yet).

    `doubts` are why they say little. `agglomerated` is None where there is no agglomeration, `uncorrected`
    where nobody corrected, and `chosen_by` 0 where no network was chosen.
    """
    found = _json(run.metrics_file, SCORED, look)
    if found is None:
        return None
    return {
        "box": str(run.config.evaluation.box),
        "agglomerated": None,
        "chosen_by": 0.0,
        "ignore_border_nm": 0.0,
        "left_out_share": 0.0,
        "unfilled_share": 0.0,
        "uncorrected": None,
        "doubts": doubts(found),
        **found,
        **published(run),
    }


def run_length(run: Run, look: Look) -> dict[str, Any] | None:
    """The run's run_length.json, each error with a link into `ffn view`; None where there is none (yet).

    `doubts` are why it says little; `agglomerated` is None where there is no agglomeration, and `traced`
    where people traced the skeletons.
    """
    found = _json(run.run_length_file, MEASURED, look)
    if found is None:
        return None
    errors = [{**e, "link": point_link(run, e["point"], segments=e["segments"])} for e in found["worst"]]
    return {
        "agglomerated": None,
        "traced": None,
        **found,
        "worst": errors,
        "doubts": doubts_of_run_length(found),
    }


def why_no_scores(run: Run) -> str | None:
    """Why the run scores nothing; None where it does or will."""
    if run.config.data.labels is None:
        return "data.labels is not set: there is nothing to score against"
    return why_not_scored(run)


def worst(run: Run, look: Look) -> dict[str, Any] | None:
    """The run's worst.json, shortened, each error with a person's verdict and a link into `ffn view`."""
    found = _json(run.worst_file, {"worst", "errors", "voi_bits"}, look)
    if found is None:
        return None
    verdicts = look(read_verdicts, run.verdicts_file) or []
    rows = [
        {
            **error,
            "verdict": next(
                (v.text for v in reversed(verdicts) if v.is_on(error["what"], error["point"])), ""
            ),
            "link": point_link(run, error["point"], segments=error["segments"], truth=error["truth"])
            if error["point"]
            else None,
        }
        for error in found["worst"][:MOST_WRONG]
    ]
    return {**found, "worst": rows}


def _json(path: Path, wanted: set[str], look: Look) -> dict[str, Any] | None:
    """The JSON object in a file that has the keys `wanted`; one that is damaged or older is told."""
    text = look(read_if_there, path)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict) and found.keys() >= wanted:
        return found
    look.untold.append(f"{path} is damaged, or another version's: run the same command again")
    return None
