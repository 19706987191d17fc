"""Seconds of steps, as the training log has them."""

from __future__ import annotations

import time

import pytest

from pipeline.training.step_times import StepTimes


def test_only_what_lies_within_steps_counts_and_each_report_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([10.0, 11.0, 20.0, 23.0, 100.0, 104.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    times = StepTimes()
    for _ in range(2):
        times.begin()
        times.end()
    assert times.take(fovs_per_step=8) == {"fovs_per_s": 4.0, "step_s": 2.0, "step_s_std": 1.0}
    times.begin()
    times.end()
    assert times.take(fovs_per_step=8) == {"fovs_per_s": 2.0, "step_s": 4.0, "step_s_std": 0.0}


def test_a_rank_is_busy_while_it_waits_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it makes for its next step is its own work, however long others average meanwhile."""
    clock = iter([10.0, 13.0, 17.0, 18.0, 20.0, 21.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    times = StepTimes()
    times.begin()
    with times.waiting():
        pass
    times.end()
    assert times.busy_s == 4.0
    times.take(fovs_per_step=8)
    times.begin()
    times.end()
    assert times.busy_s == 1.0
