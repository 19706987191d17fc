"""Throughput: FOV/s of one rank against its threads, their affinity, and precision."""

from __future__ import annotations

from collections.abc import Sequence

import site_configs
from pipeline.run_folder import Run
from workflows.studies.design import Design, Row, Sizes
from workflows.studies.drawing import Bars, Panel
from workflows.studies.measured import Measured
from workflows.studies.point import PINNING, Value


def vary(base: Run, sizes: Sizes) -> list[dict[str, Value]]:
    # elsewhere the launch line binds ranks to cores, by the site's options
    pinning = PINNING[:1] if site_configs.commands(base) else PINNING
    return [
        {"ranks": 1, "threads": threads, "precision": precision, "pinned": pinned}
        for threads in sorted(sizes.threads)
        for precision in sizes.precisions
        for pinned in pinning
    ]


def table(measured: Sequence[Measured], sizes: Sizes) -> list[Row]:
    first = measured[0].fovs_per_s
    return [
        {
            **{name: point.point.varied[name] for name in ("threads", "precision", "pinned")},
            "FOV/s": round(point.fovs_per_s, 2),
            "relative": round(point.fovs_per_s / first, 3),
            "step ms": round(1000 * point.step_s, 2),
            "std of step ms": round(1000 * point.step_s_std, 2),
        }
        for point in measured
    ]


def panels(measured: Sequence[Measured], rows: list[Row]) -> list[Panel]:
    named = [
        (f"{row['threads']} threads, {row['precision']}, {row['pinned']}", point.fovs_per_s)
        for point, row in zip(measured, rows)
    ]
    return [Bars("FOV/s of one rank", named)]


DESIGN = Design(
    about="FOV/s of one rank by threads, affinity and precision",
    fovs=400,
    sizes=frozenset({"threads", "precisions"}),
    vary=vary,
    table=table,
    panels=panels,
)
