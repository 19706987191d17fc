"""Batch size: what a larger batch gains in FOV/s and loses in what each FOV teaches."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.run_folder import Run
from workflows.studies.design import Design, Row, Sizes, f1_to_reach, rounded
from workflows.studies.drawing import Chart, Line, Panel
from workflows.studies.measured import Measured
from workflows.studies.point import Value


def vary(base: Run, sizes: Sizes) -> list[dict[str, Value]]:
    return [{"batch": batch} for batch in sorted(sizes.batches)]


def table(measured: Sequence[Measured], sizes: Sizes) -> list[Row]:
    f1 = f1_to_reach(measured, sizes)
    rows: list[Row] = []
    for point in measured:
        reached = point.curve.reaches("f1", f1)
        rows.append(
            {
                "batch a rank": point.point.varied["batch"],
                "FOV/s": round(point.fovs_per_s, 2),
                "F1 at the end": rounded(point.curve.at_end("f1")),
                "F1 to reach": round(f1, 3),
                "FOVs to that F1": round(reached[0]) if reached else None,
                "s to that F1": round(reached[1], 1) if reached else None,
            }
        )
    return rows


def panels(measured: Sequence[Measured], rows: list[Row]) -> list[Panel]:
    by_time, by_fovs = [], []
    for point in measured:
        name, curve = f"batch {point.point.varied['batch']}", point.curve
        f1 = curve.smoothed("f1").tolist()
        by_time.append(Line(name, list(zip(curve.seconds.tolist(), f1))))
        by_fovs.append(Line(name, list(zip(curve.fovs.tolist(), f1))))
    return [
        Chart("F1 against wall time", "seconds of training", by_time, at_most=1.0),
        Chart("F1 against FOVs seen", "FOVs", by_fovs, at_most=1.0),
    ]


DESIGN = Design(
    about="F1 against wall time and against FOVs seen, by batch size",
    fovs=6000,
    sizes=frozenset({"batches", "f1"}),
    vary=vary,
    table=table,
    panels=panels,
)
