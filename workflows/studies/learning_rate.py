"""Learning rate: how high it may be for how many ranks, beside the two laws that are in use."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pipeline.run_folder import Run
from workflows.studies.design import Design, Row, Sizes, rounded
from workflows.studies.drawing import Grid, Line, Panel
from workflows.studies.measured import Measured
from workflows.studies.point import Value

FACTORS = (0.5, 1.0, 2.0)
"""Times `training.learning_rate`: the rates that are tried where none are given."""

LAWS: dict[str, Callable[[float], float]] = {"linear": float, "sqrt": math.sqrt}


def vary(base: Run, sizes: Sizes) -> list[dict[str, Value]]:
    usual = base.config.training.learning_rate
    rates = sorted(sizes.rates or [factor * usual for factor in FACTORS])
    return [{"ranks": ranks, "rate": rate} for ranks in sorted(sizes.ranks) for rate in rates]


def table(measured: Sequence[Measured], sizes: Sizes) -> list[Row]:
    """Laws start from the best rate of the fewest ranks; `by law` says which leads to a point's rate.

    Where no example ended in the last quarter there is no score, and none is the best.
    """
    base = _base(measured)
    best = {n: max(_accuracy(p) for p in measured if _ranks(p) == n) for n in _all(measured)}
    return [
        {
            "ranks": _ranks(point),
            "rate": _rate(point),
            "accuracy": rounded(point.curve.at_end("accuracy")),
            "F1": rounded(point.curve.at_end("f1")),
            "by law": ", ".join(
                name
                for name, law in LAWS.items()
                if base
                and math.isclose(_rate(point), _rate(base) * law(_ranks(point) / _ranks(base)), rel_tol=0.01)
            ),
            "best of its ranks": "yes" if 0 < _accuracy(point) == best[_ranks(point)] else "",
        }
        for point in measured
    ]


def panels(measured: Sequence[Measured], rows: list[Row]) -> list[Panel]:
    ranks, rates = _all(measured), sorted({_rate(point) for point in measured})
    base = _base(measured)
    laws = [
        Line(
            f"{name} law",
            [(n, _rate(base) * law(n / _ranks(base))) for n in ranks],
            dashed=name == "sqrt",
        )
        for name, law in LAWS.items()
        if base
    ]
    by_place = {(_rate(point), _ranks(point)): row for point, row in zip(measured, rows)}
    return [
        Grid(
            f"{score} over the last quarter",
            "ranks",
            "rows: rate",
            ranks,
            rates,
            [[_number(by_place.get((rate, n), {}).get(score)) for n in ranks] for rate in rates],
            laws,
        )
        for score in ("accuracy", "F1")
    ]


def _base(measured: Sequence[Measured]) -> Measured | None:
    """The best point of the fewest ranks; None where none of these has a score."""
    fewest = min(_all(measured))
    best = max((p for p in measured if _ranks(p) == fewest), key=_accuracy)
    return best if _accuracy(best) > 0 else None


def _accuracy(point: Measured) -> float:
    """By which points are compared: none is 0."""
    return point.curve.at_end("accuracy") or 0.0


def _number(value: Value | None) -> float | None:
    return None if value is None else float(value)


def _all(measured: Sequence[Measured]) -> list[int]:
    return sorted({_ranks(point) for point in measured})


def _ranks(point: Measured) -> int:
    return point.point.run.config.training.ranks


def _rate(point: Measured) -> float:
    return point.point.run.config.training.learning_rate


DESIGN = Design(
    about="accuracy and F1 by learning rate and ranks, with the linear and the square root law",
    fovs=2500,
    sizes=frozenset({"ranks", "rates"}),
    vary=vary,
    table=table,
    panels=panels,
)
