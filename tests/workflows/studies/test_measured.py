"""What a training's log says of a point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import made_point, made_up

from pipeline.errors import InputError
from pipeline.training.metrics import SCORES
from workflows.studies.measured import measure
from workflows.studies.point import Point


def line(fovs: int, rate: float, score: float) -> dict[str, Any]:
    scores = dict.fromkeys(SCORES, score)
    return {"fovs_seen": fovs, "fovs_per_s": rate, "step_s": 2 / rate, "step_s_std": 0.1, "loss": 1, **scores}


def logged(tmp_path: Path, *lines: dict[str, Any]) -> Point:
    point = made_point(tmp_path, {"ranks": 2})
    point.run.training_log.parent.mkdir(parents=True)
    point.run.training_log.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return point


def test_time_adds_up_and_the_first_interval_says_nothing_of_the_rate(tmp_path: Path) -> None:
    found = measure(logged(tmp_path, line(200, 10, 0.5), line(600, 100, 0.7), line(1000, 50, 0.8)))
    np.testing.assert_allclose(found.curve.seconds, [20, 24, 32])
    np.testing.assert_allclose(found.fovs_per_s, 800 / 12)
    assert found.step_s == pytest.approx((0.02 + 0.04) / 2)


def test_intervals_in_which_no_example_ended_are_no_zeros_of_the_curve(tmp_path: Path) -> None:
    found = measure(logged(tmp_path, line(200, 10, 0.5), line(600, 100, 0.0), line(1000, 50, 0.8)))
    assert found.curve.fovs.tolist() == [200, 1000]
    assert found.curve.scores["f1"].tolist() == [0.5, 0.8]


def test_a_log_that_ends_too_early_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not reach to the end of its training"):
        measure(logged(tmp_path, line(200, 10, 0.5)))


def test_a_score_is_reached_where_the_curve_first_is_that_high(tmp_path: Path) -> None:
    curve = made_up(made_point(tmp_path, {"ranks": 1}), final=0.95, fovs_per_s=10).curve
    fovs, seconds = curve.reaches("f1", 0.5) or (0, 0)
    assert fovs == 10 * seconds
    assert curve.scores["f1"][curve.fovs == fovs] == pytest.approx(0.5), "its tenth of 19 steps"
    assert curve.reaches("f1", 0.96) is None
