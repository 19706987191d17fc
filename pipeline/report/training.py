"""How the training went, from its log."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.inference.rehearsal import WHAT_HELPS, read_rehearsal
from pipeline.report.charts import line_chart
from pipeline.results.log_lines import lines_of
from pipeline.results.tile_labels import NOT_FINITE_AT
from pipeline.results.unreadable import Look, read_if_there
from pipeline.run_folder import Run
from pipeline.training.launch import logged_for
from pipeline.training.metrics import SCORES
from pipeline.training.pace import f1_of_last_tenth, fovs_and_seconds, has_scores, share_of_waiting

POOR_F1 = 0.7
"""Over the last tenth of a training that is done; what segments the demo's phantom at all has more
(docs/demo.md)."""

MEASURED = {"fovs_seen", "fovs_per_s", "loss"}


def training(run: Run, look: Look, is_trained: bool) -> dict[str, Any] | None:
    """FOVs, rate and metrics, what floods with the network came to, and the charts of metrics and loss over
    FOVs; None where none was logged.

    Figures are means over the intervals between two lines of the log, over all ranks. Where the run
    `is_trained` what was logged of another training since then is left out, which is told.
    """
    logged = look(lines_of, run.training_log) or []
    own = look(logged_for, run, logged) if is_trained else None
    own = logged if own is None else own
    if len(own) < len(logged):
        look.untold.append(
            f"{run.training_log} and TensorBoard have a training that was begun after the network that is "
            "there, and given up: it is not shown"
        )
    lines = [line for line in own if _is_whole(line)]
    if not run.config.trains or not lines:
        return None
    settings, (seen, seconds) = run.config.training, fovs_and_seconds(lines)
    f1 = f1_of_last_tenth(lines)
    fovs = [line["fovs_seen"] for line in lines]
    scored = [line if has_scores(line) else {} for line in lines]
    return {
        "fovs": seen,
        "fovs_asked_for": settings.fovs,
        "ranks": settings.ranks,
        "batch_size": settings.batch_size,
        "seconds": seconds,
        "fovs_per_s": seen / seconds if seconds else None,
        "input_wait_share": share_of_waiting(lines),
        "f1_of_last_tenth": f1,
        "doubts": [_poor(f1)] if f1 is not None and f1 < POOR_F1 and fovs[-1] >= settings.fovs else [],
        "shares": lines[-1].get("shares"),
        "rehearsal": look(rehearsal, run),
        "last": {"loss": lines[-1]["loss"], **{name: _last(scored, name) for name in SCORES}},
        "metrics": line_chart(
            fovs, {name: [line.get(name) for line in scored] for name in SCORES}, at_most=1.0
        ),
        "loss": line_chart(fovs, {"loss": [line["loss"] for line in lines]}),
    }


def _poor(f1: float) -> str:
    """Why no segmentation by this network can be right."""
    return (
        f"an F1 of {f1:.3f} over the last tenth of the training is that of a network that hardly finds "
        "what it is shown: raise training.fovs before anything else, and look at the labels"
    )


def rehearsal(run: Run) -> dict[str, Any] | None:
    """How floods with the trained network ended, in words, and whether it is to be doubted for them.

    None where none were made. Raises Unreadable.
    """
    text = read_if_there(run.validation_file) if run.trials else None
    found = read_rehearsal(run, json.loads(text)["chosen_fovs"] if text else None)
    if found is None:
        return None
    return {"says": str(found), "has_grown": found.has_grown, "what_helps": WHAT_HELPS}


def choice(run: Run, look: Look) -> dict[str, Any] | None:
    """The run's validation.json, with a chart of its scores over FOVs; None where none was tried (yet)."""
    text = look(read_if_there, run.validation_file) if run.trials else None
    if text is None:
        return None
    found = json.loads(text)
    networks = [one for one in found["networks"] if NOT_FINITE_AT not in one]
    series = {
        "filled ARE": [one["filled"]["are"] for one in networks],
        "filled VOI split": [one["filled"]["voi_split"] for one in networks],
        "filled VOI merge": [one["filled"]["voi_merge"] for one in networks],
    }
    return {
        **found,
        "box": str(run.config.training.validation_box),
        "chart": line_chart([one["fovs"] for one in networks], series),
    }


def _is_whole(line: Mapping[str, Any]) -> bool:
    """Whether a line has all figures, and they are finite: a training that broke down may have logged it, by
    None or, by an earlier version, NaN."""
    return line.keys() >= MEASURED.union(SCORES) and all(
        line[name] is not None and math.isfinite(line[name])
        for name in (*MEASURED, *(SCORES if has_scores(line) else ()))
    )


def _last(scored: Sequence[Mapping[str, float]], name: str) -> float | None:
    """A score where the last examples ended; None where none did."""
    return next((line[name] for line in reversed(scored) if line), None)
