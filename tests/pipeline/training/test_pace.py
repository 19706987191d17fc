"""How long a training took, by its log, whatever lies between two attempts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.pace import fovs_and_seconds, step_seconds


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0.1, 1000)), max_size=20))
def test_seconds_add_up_over_intervals(intervals: list[tuple[int, float]]) -> None:
    lines, seen = [], 0
    for fovs, rate in intervals:
        seen += fovs
        lines.append({"fovs_seen": seen, "fovs_per_s": rate})
    found, seconds = fovs_and_seconds(lines)
    assert found == seen
    assert seconds == pytest.approx(sum(fovs / rate for fovs, rate in intervals))


def test_lines_without_figures_are_left_out() -> None:
    assert fovs_and_seconds([{"fovs_seen": 8, "fovs_per_s": 0}, {"loss": 1}, {}]) == (0, 0.0)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_steps_are_those_of_all_intervals_but_the_first(intervals: int, steps: int, seed: int) -> None:
    seconds = np.random.default_rng(seed).exponential(size=(intervals, steps))
    logged = [(9.0, 5.0), *zip(seconds.mean(axis=1), seconds.std(axis=1))]
    lines = [{"step_s": mean, "step_s_std": std} for mean, std in logged]
    found = step_seconds([{"loss": 1}, *lines])
    np.testing.assert_allclose(found or (), (seconds.mean(), seconds.std()), atol=1e-12)
    assert step_seconds(lines[:1]) == (9, 5)
    assert step_seconds([{"fovs_seen": 8}]) is None
