"""The learning rate scales with the ranks, rises, holds and falls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.config import Training
from pipeline.training.schedule import learning_rate, target_rate


@pytest.mark.parametrize(("scaling", "expected"), [("none", 0.002), ("linear", 0.032), ("sqrt", 0.008)])
def test_target_rate_scales_with_the_ranks(scaling: str, expected: float) -> None:
    subject = Training.model_validate({"learning_rate": 0.002, "ranks": 16, "rate_scaling": scaling})
    assert target_rate(subject) == pytest.approx(expected)


def training(**changes: Any) -> Training:
    defaults = {"fovs": 1000, "warmup_fovs": 200, "decay_fovs": 400, "ranks": 2, "batch_size": 5}
    return Training.model_validate({"learning_rate": 0.1, "rate_scaling": "none", **defaults, **changes})


def test_warm_up_is_linear_in_fovs() -> None:
    rates = [learning_rate(training(), seen) for seen in range(0, 200, 10)]
    assert rates == pytest.approx([0.1 * (k + 1) / 20 for k in range(20)])


def test_rate_holds_between_warm_up_and_decay() -> None:
    assert {learning_rate(training(), seen) for seen in range(200, 601, 10)} == {0.1}


def test_decay_is_half_a_cosine_down_to_zero() -> None:
    assert learning_rate(training(), 700) == pytest.approx(0.1 * (1 + 0.5**0.5) / 2)
    assert learning_rate(training(), 800) == pytest.approx(0.05)
    assert learning_rate(training(), 1000) == pytest.approx(0)


def test_without_warm_up_and_decay_the_rate_is_constant() -> None:
    constant = training(warmup_fovs=0, decay_fovs=0)
    assert {learning_rate(constant, seen) for seen in (0, 10, 500, 990, 1000)} == {0.1}


def test_a_cosine_falls_from_the_warm_up_to_the_end() -> None:
    cosine = training(decay_fovs=0, schedule="cosine")
    assert [learning_rate(cosine, seen) for seen in (190, 200, 600, 1000)] == pytest.approx(
        [0.1, 0.1, 0.05, 0]
    )


def test_cycles_fall_to_a_tenth_and_rise_again_and_the_decay_is_on_top() -> None:
    cyclic = training(decay_fovs=0, schedule="cyclic", cycle_fovs=80)
    rates = [learning_rate(cyclic, seen) for seen in range(200, 361, 20)]
    assert rates == pytest.approx([0.1, 0.055, 0.01, 0.055, 0.1, 0.055, 0.01, 0.055, 0.1])
    decaying = training(schedule="cyclic", cycle_fovs=80)
    assert learning_rate(decaying, 800) == pytest.approx(learning_rate(cyclic, 800) / 2)


@example(1000, 1, 1001, {})
@given(
    st.integers(0, 1000),
    st.integers(0, 3000),
    st.integers(0, 2000),
    st.sampled_from([{}, {"schedule": "cyclic", "cycle_fovs": 7}]),
)
def test_rate_never_exceeds_its_target_nor_falls_below_zero(
    warmup: int, decay: int, seen: int, schedule: dict[str, Any]
) -> None:
    rate = learning_rate(training(warmup_fovs=warmup, decay_fovs=decay, **schedule), seen)
    assert 0 <= rate <= 0.1
