"""How long a training took, by its log, whatever lies between two attempts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.pace import f1_of_last_tenth, fovs_and_seconds, share_of_waiting, step_seconds


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


def test_waiting_counts_by_the_time_that_steps_took() -> None:
    lines = [{"input_wait_share": 0.1, "step_s": 3.0}, {"input_wait_share": 0.5, "step_s": 1.0}]
    assert share_of_waiting([*lines, {"loss": 1}]) == pytest.approx(0.2)
    assert share_of_waiting([{"loss": 1}]) is None


def test_f1_at_the_end_is_of_the_last_tenth_and_of_intervals_in_which_examples_ended() -> None:
    seen = {100: 0.1, 900: 0.5, 920: 0.8, 940: 0.0, 1000: 0.9}
    lines = [{"fovs_seen": fovs, "f1": f1, "accuracy": f1} for fovs, f1 in seen.items()]
    assert f1_of_last_tenth(lines) == pytest.approx(0.85)
    assert f1_of_last_tenth([{"fovs_seen": 8, "f1": 0.0, "accuracy": 0.0}]) is None
