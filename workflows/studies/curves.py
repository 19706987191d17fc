"""Curves: the course of a training, and how far it differs from one seed to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.run_folder import Run
from pipeline.training.metrics import SCORES
from workflows.studies.design import Design, Row, Sizes
from workflows.studies.drawing import Chart, Line, Panel
from workflows.studies.measured import Measured
from workflows.studies.point import Value

PLACES = 12
"""Of a training, at which its repeats are compared."""


def vary(base: Run, sizes: Sizes) -> list[dict[str, Value]]:
    return [{"seed": base.config.seed + repeat} for repeat in range(sizes.repeats)]


def table(measured: Sequence[Measured], sizes: Sizes) -> list[Row]:
    """Mean over the repeats, and one standard deviation (of the population; none of one alone), at even
    distances of FOVs, as far as all that have scores have some there."""
    known = [point.curve for point in measured if len(point.curve.fovs)]
    first = max((c.fovs[0] for c in known), default=1)
    last = min((c.fovs[-1] for c in known), default=0)
    at = np.unique(np.linspace(first, last, PLACES)) if first <= last else ()
    rows: list[Row] = []
    for fovs in at:
        row: dict[str, Value | None] = {"FOVs": round(float(fovs)), "repeats": len(known)}
        for score in SCORES:
            values = [np.interp(fovs, c.fovs, c.smoothed(score)) for c in known]
            row |= {
                score: round(float(np.mean(values)), 4),
                f"{score} sigma": round(float(np.std(values)), 4) if len(values) > 1 else None,
            }
        rows.append(row)
    return rows


def panels(measured: Sequence[Measured], rows: list[Row]) -> list[Panel]:
    drawn: list[Panel] = []
    repeats = rows[0]["repeats"] if rows else 0
    name = "one training, and no band of it" if repeats == 1 else f"mean of {repeats}, one sigma"
    for score in SCORES:
        points = [(float(row["FOVs"] or 0), float(row[score] or 0)) for row in rows]
        spread = [] if repeats == 1 else [float(row[f"{score} sigma"] or 0) for row in rows]
        drawn.append(Chart(score, "FOVs", [Line(name, points, spread)], at_most=1.0))
    return drawn


DESIGN = Design(
    about="accuracy, F1, precision and recall over FOVs, with one-sigma bands over seeds",
    fovs=6000,
    sizes=frozenset({"repeats"}),
    vary=vary,
    table=table,
    panels=panels,
)
