"""FOVs of a step are divided by how long ranks need for one; the gradient is still that of all of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Network, Training
from pipeline.training.launch import lineage, model_target
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.shares import Shares, divide
from tests.pipeline.ffn.winograd_instructions import needs_compiled
from tests.pipeline.training.real_trainings import log_of, make_run, run_ranks

MEASURED = Training(shares="measured", batch_size=4, ranks=2)

ONE_STEP = """
import sys, pathlib, numpy as np
from pipeline.config import Network, Training
from pipeline.ffn.network import assign_weights, build_network, network_variables
from pipeline.training.ranks.averaging import Alone
from pipeline.training.ranks.horovod_ranks import Ranks
from pipeline.training.shares import Shares, weighted
from pipeline.training.step import Step, by_keras, weights_update
from pipeline.training.winograd_step import by_winograd
import keras
folder, engine, *of_ranks = sys.argv[1:]
folder, of_ranks = pathlib.Path(folder), list(map(int, of_ranks))
network = Network(fov=(9, 9, 9), deltas=(2, 2, 2), depth=2, features=8)
given, weights = np.load(folder / "given.npz"), dict(np.load(folder / "weights.npz"))
ranks = Ranks()
training = Training(shares="measured", batch_size=sum(of_ranks) // ranks.size, ranks=ranks.size)
shares = Shares(training, ranks.rank)
shares.of_ranks = of_ranks
model, optimizer = build_network(network), keras.optimizers.SGD(1.0)
assign_weights(model, {name.replace("|", "/"): value for name, value in weights.items()})
optimizer.build(model.trainable_variables)
update = weighted(weights_update(model, optimizer, ranks, lambda flat: flat), shares)
step = Step(by_keras(model) if engine == "keras" else by_winograd(network, 1, model), update)
begin = sum(of_ranks[: ranks.rank])
own = slice(begin, begin + shares.own)
computed = step.begin(given["inputs"][own], given["labels"][own])
assert computed.pom.shape == (shares.own, 9, 9, 9, 1), computed.pom.shape
assert computed.own_is_finite and step.end().all_are_finite
after = {name.replace("/", "|"): value for name, value in network_variables(model).items()}
np.savez(folder / f"{ranks.size}_rank_{ranks.rank}.npz", loss=computed.loss * shares.weight, **after)
ranks.leave()
"""

SLOW_RANK = """
import sys, pathlib, numpy as np
from dataclasses import replace
from pipeline.ffn.network import network_variables
from pipeline.training import step_times, trainer
from pipeline.training.ranks.job import TrainingJob
folder = pathlib.Path(sys.argv[1])
ranks = trainer.Ranks()
step_times.StepTimes.busy_s = property(lambda times: subject._shares.own * (1.0 + ranks.rank))
for until in (60, None):
    subject = trainer.Trainer(replace(TrainingJob.load(folder), until=until), ranks)
    subject.run()
np.savez(folder / f"rank_{ranks.rank}.npz", **network_variables(subject._model))
"""
"""Rank 1 is said to need twice as long. The training is stopped after 60 FOVs."""


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=3), st.integers(1, 4), st.integers(1, 3))
def test_no_other_division_is_done_earlier(seconds: list[float], batch_size: int, turns: int) -> None:
    total, most = batch_size * len(seconds), batch_size * turns
    found = divide(seconds, total, most)
    possible = [
        shares
        for shares in itertools.product(range(1, min(most, total) + 1), repeat=len(seconds))
        if sum(shares) == total
    ]
    assert found in possible

    def done(shares: tuple[int, ...]) -> float:
        return max(share * each for share, each in zip(shares, seconds))

    assert done(found) <= min(map(done, possible)) * (1 + 1e-12)


def test_noise_moves_nothing_and_who_is_fast_again_gets_its_share_back() -> None:
    shares = Shares(MEASURED, rank=1)
    shares.agree([1.0, 1.04])
    assert (list(shares.of_ranks), shares.weight) == ([4, 4], 1.0)
    shares.agree([4.0, 6.0])
    assert (list(shares.of_ranks), shares.own, shares.weight) == ([5, 3], 3, 0.75)
    shares.agree([5.0, 6.0])
    assert list(shares.of_ranks) == [5, 3]
    shares.agree([5.0, 3.0])
    assert list(shares.of_ranks) == [4, 4]


def test_shares_that_stay_even_leave_earlier_networks_what_they_are(volume: Path, tmp_path: Path) -> None:
    run, coordinates = make_run(tmp_path, volume)
    recipe = model_target(run, coordinates).recipe
    assert "shares" not in recipe.settings["training"]
    other = run.config.training.model_copy(update={"shares": "measured"})
    changed = replace(run, config=run.config.model_copy(update={"training": other}))
    assert lineage(model_target(changed, coordinates).recipe) != lineage(recipe)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"local_steps": 2}, "local_steps is 2"),
        ({"batch_size": 1}, "batch_size 1"),
        ({"examples_in_turn": 1}, "examples_in_turn 1"),
    ],
)
def test_where_nothing_can_be_divided_the_setting_is_refused(settings: dict[str, int], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Training.model_validate({"shares": "measured", "batch_size": 2, **settings})


@pytest.mark.slow
class TestRealRanks:
    """Horovod processes."""

    @needs_compiled
    @pytest.mark.parametrize("engine", ["winograd", pytest.param("keras", marks=pytest.mark.thorough)])
    def test_a_step_of_uneven_shares_is_that_of_the_joined_batch(self, tmp_path: Path, engine: str) -> None:
        joined(tmp_path)
        for of_ranks in ((5, 3), (8,)):
            run_ranks(len(of_ranks), ONE_STEP, tmp_path, engine, *of_ranks)
        first, second = (np.load(tmp_path / f"2_rank_{rank}.npz") for rank in range(2))
        alone, before = np.load(tmp_path / "1_rank_0.npz"), np.load(tmp_path / "weights.npz")
        for name in before.files:
            assert np.array_equal(first[name], second[name])
            gradient, expected = before[name] - first[name], before[name] - alone[name]
            assert np.linalg.norm(expected) > 0
            assert np.linalg.norm(gradient - expected) < 1e-4 * np.linalg.norm(expected)
        np.testing.assert_allclose((first["loss"] + second["loss"]) / 2, alone["loss"], rtol=1e-5)

    def test_a_slow_rank_has_less_and_a_training_that_stopped_within_a_round_goes_on(
        self, volume: Path, tmp_path: Path
    ) -> None:
        settings = {"shares": "measured", "report_every_steps": 5, "epochs": True, "fovs": 120}
        run, coordinates = make_run(tmp_path, volume, **settings)
        TrainingJob(run, Path(coordinates.path), "lineage").save()
        run_ranks(2, SLOW_RANK, tmp_path)
        lines = log_of(run)
        # who goes on finds out anew who is slow
        assert [line["shares"] for line in lines] == [[2, 2], [3, 1], [3, 1]] * 2
        assert [line["fovs_seen"] for line in lines] == list(range(20, 121, 20))
        first, second = (np.load(tmp_path / f"rank_{rank}.npz") for rank in range(2))
        assert all(np.array_equal(first[name], second[name]) for name in first.files)


def joined(folder: Path) -> None:
    """Weights, and a batch of eight FOVs."""
    from pipeline.ffn.network import build_network, network_variables

    rng = np.random.default_rng(5)
    model = build_network(Network(fov=(9, 9, 9), deltas=(2, 2, 2), depth=2, features=8))
    weights = {
        name.replace("/", "|"): value + rng.normal(0, 0.1, value.shape).astype(np.float32)
        for name, value in network_variables(model).items()
    }
    np.savez(folder / "weights.npz", **weights)
    labels = rng.choice(np.array([0.05, 0.95], np.float32), (8, 9, 9, 9, 1))
    inputs = rng.normal(0, 1, (8, 9, 9, 9, 2)).astype(np.float32)
    np.savez(folder / "given.npz", inputs=inputs, labels=labels)
