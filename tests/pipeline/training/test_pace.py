"""How long a training took, by its log, whatever lies between two attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.pace import fovs_and_seconds


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
