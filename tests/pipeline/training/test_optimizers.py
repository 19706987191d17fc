"""Gradients are clipped as asked, and every optimiser goes on from a checkpoint as if never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Network, RunConfig, Training
from pipeline.ffn.network import build_network, network_variables
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.keeping import Keeper
from pipeline.training.optimizers import clip_of, make_optimizer
from pipeline.training.progress import Progress, Stretch
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.training_log import TrainingLog

NETWORK = Network(fov=(3, 3, 3), deltas=(1, 1, 1), depth=2, features=3)
RECIPES: list[dict[str, Any]] = [
    {},
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"optimizer": "sgd", "momentum": 0.9},
    {"optimizer": "sgd", "momentum": 0},
    {"optimizer": "lamb", "ema": 0.9},
    {"ema": 0.7},
]


class OneRank:
    """Stands for the ranks of a training that has one."""

    rank, size = 0, 1

    def broadcast(self, variables: Any) -> None:
        pass

    def gather(self, text: str) -> list[str]:
        return [text]


class Trained:
    """A network, its optimiser and their keeper; steps take made-up gradients."""

    def __init__(self, folder: Path, **training: Any) -> None:
        config = RunConfig.model_validate(
            {"network": NETWORK.model_dump(), "training": {"ranks": 1, **training}}
        )
        self.run = Run(folder, config)
        self.model = build_network(NETWORK, seed=3)
        self.optimizer = make_optimizer(config.training)
        self.optimizer.build(self.model.trainable_variables)
        self.keeper = Keeper(
            TrainingJob(self.run, folder, "lineage"),
            OneRank(),  # type: ignore[arg-type]
            self.model,
            self.optimizer,
        )

    def steps(self, numbers: range) -> list[dict[str, np.ndarray]]:
        """The weights after each step."""
        after = []
        for number in numbers:
            rng = np.random.default_rng(number)
            variables = self.model.trainable_variables
            self.optimizer.learning_rate = 0.01 / (1 + number)
            self.optimizer.apply([rng.normal(size=v.shape).astype(np.float32) for v in variables], variables)
            after.append(network_variables(self.model))
        return after

    def kept(self, steps: int) -> Checkpoint:
        log = TrainingLog(self.run.training_log, self.run.logs_folder / "tensorboard", [])
        self.keeper.keep(Progress(1, steps, (Stretch(4 * steps, 1, 1),)), log)
        found = Checkpoint.read(self.run.checkpoint_file)
        assert found is not None
        return found


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_checkpoint_goes_on_as_if_never_stopped(recipe: dict[str, Any], tmp_path: Path) -> None:
    whole = Trained(tmp_path / "whole", **recipe)
    whole.steps(range(6))
    begun = Trained(tmp_path / "begun", **recipe)
    begun.steps(range(3))
    resumed = Trained(tmp_path / "resumed", **recipe)
    progress, in_hand = resumed.keeper.restore(begun.kept(3))
    assert (progress.steps, in_hand) == (3, None)
    resumed.steps(range(3, 6))
    expected, found = whole.kept(6), resumed.kept(6)
    assert found.network.keys() == expected.network.keys()
    for name, value in expected.network.items():
        np.testing.assert_array_equal(found.network[name], value)
    for ours, theirs in zip(found.optimizer, expected.optimizer, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_averages_are_those_of_the_weights_after_all_steps_and_leave_these_alone(tmp_path: Path) -> None:
    subject = Trained(tmp_path, ema=0.7)
    after = subject.steps(range(5))
    found = subject.kept(5)
    for name in after[0]:
        average = after[0][name]
        for weights in after[1:]:
            average = 0.7 * average + 0.3 * weights[name]
        np.testing.assert_allclose(found.network[name], average, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(found.weights[name], after[-1][name])
        np.testing.assert_array_equal(network_variables(subject.model)[name], after[-1][name])


def test_without_averages_the_last_weights_are_published(tmp_path: Path) -> None:
    subject = Trained(tmp_path)
    last = subject.steps(range(2))[-1]
    assert all(np.array_equal(subject.kept(2).network[name], last[name]) for name in last)


def test_momentum_is_the_sum_of_earlier_gradients(tmp_path: Path) -> None:
    subject = Trained(tmp_path, optimizer="sgd", momentum=0.5)
    before = network_variables(subject.model)
    after = subject.steps(range(3))[-1]
    index = [v.path for v in subject.model.trainable_variables].index("conv0_a/kernel")
    velocity, moved = 0.0, 0.0
    for number in range(3):
        rng = np.random.default_rng(number)
        gradient = [rng.normal(size=v.shape) for v in subject.model.trainable_variables][index]
        velocity = 0.5 * velocity - 0.01 / (1 + number) * gradient
        moved = moved + velocity
    np.testing.assert_allclose(after["conv0_a/kernel"], before["conv0_a/kernel"] + moved, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.7, -0.7, 0.3]),
        ({"clip_value": None}, [3.0, -4.0, 0.3]),
        ({"clip_value": None, "clip_norm": 1}, np.array([3, -4, 0.3]) / 25.09**0.5),
        ({"clip_value": 3, "clip_norm": 100}, [3.0, -3.0, 0.3]),
    ],
)
def test_a_gradient_is_clipped_by_entry_then_by_length(
    settings: dict[str, Any], expected: list[float]
) -> None:
    clip = clip_of(Training.model_validate(settings))
    np.testing.assert_allclose(clip(np.array([3, -4, 0.3], np.float32)), expected, rtol=1e-6)
