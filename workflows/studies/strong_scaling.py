"""Strong scaling: the same training by more and more ranks."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.run_folder import Run
from pipeline.training.scaling_model import ScalingModel, Setup, gradient_bytes
from workflows.studies.design import Design, Row, Sizes, f1_to_reach
from workflows.studies.drawing import Chart, Line, Panel
from workflows.studies.measured import Measured
from workflows.studies.point import Value


def vary(base: Run, sizes: Sizes) -> list[dict[str, Value]]:
    return [{"ranks": ranks} for ranks in sorted(sizes.ranks)]


def table(measured: Sequence[Measured], sizes: Sizes) -> list[Row]:
    """Efficiency and relative time are those against the point of fewest ranks."""
    first, f1, model = measured[0], f1_to_reach(measured, sizes), _model(measured[0])
    base = model.efficiency(_setup(first))
    alone = first.fovs_per_s / _ranks(first)
    to_f1 = [point.curve.reaches("f1", f1) for point in measured]
    return [
        {
            "ranks": _ranks(point),
            "FOV/s": round(point.fovs_per_s, 2),
            "efficiency": round(point.fovs_per_s / _ranks(point) / alone, 3),
            "foretold": round(model.efficiency(_setup(point)) / base, 3),
            "step ms": round(1000 * point.step_s, 2),
            "std of step ms": round(1000 * point.step_s_std, 2),
            "F1 to reach": round(f1, 3),
            "s to that F1": round(reached[1], 1) if reached else None,
            "relative time": round(reached[1] / to_f1[0][1], 3) if reached and to_f1[0] else None,
        }
        for point, reached in zip(measured, to_f1)
    ]


def panels(measured: Sequence[Measured], rows: list[Row]) -> list[Panel]:
    ranks = [float(_ranks(point)) for point in measured]
    rates = [point.fovs_per_s for point in measured]
    ideal = [(n, rates[0] * n / ranks[0]) for n in ranks]
    times = [(n, float(row["relative time"])) for n, row in zip(ranks, rows) if row["relative time"]]
    return [
        Chart(
            "FOV/s",
            "ranks",
            [Line("measured", list(zip(ranks, rates))), Line("ideal", ideal, dashed=True)],
            x_values=ranks,
        ),
        Chart(
            "parallel efficiency",
            "ranks",
            [
                Line("measured", [(n, float(row["efficiency"] or 0)) for n, row in zip(ranks, rows)]),
                Line(
                    "foretold", [(n, float(row["foretold"] or 0)) for n, row in zip(ranks, rows)], dashed=True
                ),
            ],
            x_values=ranks,
        ),
        Chart(
            f"relative time to an F1 of {rows[0]['F1 to reach']}",
            "ranks",
            [Line("measured", times), Line("ideal", [(n, ranks[0] / n) for n in ranks], dashed=True)],
            x_values=ranks,
        ),
    ]


def _model(first: Measured) -> ScalingModel:
    """What the first point's steps make the scaling model foretell of the others."""
    size = gradient_bytes(first.point.run.config.network)
    return ScalingModel.of_steps(first.step_s, first.step_s_std, _setup(first), size)


def _setup(point: Measured) -> Setup:
    training = point.point.run.config.training
    return Setup(training.ranks, training.batch_size, training.local_steps)


def _ranks(point: Measured) -> int:
    return point.point.run.config.training.ranks


DESIGN = Design(
    about="FOV/s, efficiency and relative time to an F1, by ranks",
    fovs=6000,
    sizes=frozenset({"ranks", "f1"}),
    vary=vary,
    table=table,
    panels=panels,
)
