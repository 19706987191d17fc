"""Points and curves that nobody has trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from pipeline.training.metrics import SCORES
from workflows.studies.measured import Curve, Measured
from workflows.studies.point import Point, Value, make_point


def base_run(folder: Path, **training: object) -> Run:
    """A run on the phantom, resolved as far as points need it."""
    data = {"image": "phantom", "labels": "phantom", "image_mean": 128, "image_stddev": 33}
    settings = {"fovs": 4000, "batch_size": 1, "ranks": 2, **training}
    document = {"data": data, "training": {"box": "0:48,0:48,0:56", **settings}}
    return Run(folder, RunConfig.model_validate(document), {"image": "phantom", "labels": "phantom"})


def made_point(folder: Path, varied: dict[str, Value], fovs: int = 1000) -> Point:
    return make_point(base_run(folder), folder / "points", fovs, varied)


def cut(measured: Measured, kept: slice) -> Measured:
    """A training in which examples ended in some of its intervals alone."""
    curve = measured.curve
    scores = {name: values[kept] for name, values in curve.scores.items()}
    return replace(measured, curve=Curve(curve.fovs[kept], curve.seconds[kept], scores, curve.ends_at))


def made_up(point: Point, final: float, fovs_per_s: float) -> Measured:
    """A training whose scores all rise evenly to `final`."""
    fovs = np.linspace(50, 1000, 20)
    scores = {name: np.linspace(0, final, 20) for name in SCORES}
    step_s = point.run.config.training.ranks / fovs_per_s
    return Measured(
        point, Curve(fovs, fovs / fovs_per_s, scores, ends_at=1000), fovs_per_s, step_s, step_s / 10
    )
