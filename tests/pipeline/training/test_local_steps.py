"""Steps between averagings: ranks that learn alone for a while end alike, and resume exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.training.launch import lineage, model_target, train
from pipeline.training.ranks.averaging import average_variables
from pipeline.training.ranks.job import TrainingJob
from tests.pipeline.training.real_trainings import checkpoint_of, make_run, weights_of_each_rank
from tests.pipeline.training.test_not_finite import refusal, spoiled_for_rank_1, volume

__all__ = ["volume"]

ROUND = {"checkpoint_every_steps": 10, "report_every_steps": 10, "local_steps": 4}
"""Rounds that end between two averagings."""


class Halves:
    """Ranks whose mean is half of what this one has: the other has zeros."""

    def average(self, vector: np.ndarray) -> np.ndarray:
        return vector / 2


def test_floating_point_variables_are_averaged_and_counters_are_not() -> None:
    weights = keras.Variable(np.arange(6, dtype=np.float32).reshape(2, 3))
    bias, counter = keras.Variable(np.float32(8)), keras.Variable(7, dtype="int64")
    assert average_variables([weights, counter, bias], Halves())
    np.testing.assert_array_equal(np.asarray(weights), np.arange(6).reshape(2, 3) / 2)
    assert (float(bias), int(counter)) == (4, 7)
    bias.assign(np.float32("nan"))
    assert not average_variables([weights, bias], Halves())


def test_a_setting_that_is_as_before_leaves_earlier_networks_what_they_are(
    volume: Path, tmp_path: Path
) -> None:
    run, coordinates = make_run(tmp_path, volume)
    recipe = model_target(run, coordinates).recipe
    assert "local_steps" not in recipe.settings["training"]
    other = run.config.training.model_copy(update={"local_steps": 2})
    changed = replace(run, config=run.config.model_copy(update={"training": other}))
    assert lineage(model_target(changed, coordinates).recipe) != lineage(recipe)


@pytest.mark.slow
class TestRealRanks:
    """Horovod processes."""

    def test_a_rank_alone_learns_the_same_however_often_it_averages(
        self, volume: Path, tmp_path: Path
    ) -> None:
        folders = [tmp_path / "1", tmp_path / "4"]
        for folder in folders:
            settings = {**ROUND, "local_steps": int(folder.name), "ranks": 1, "fovs": 40}
            run, coordinates = make_run(folder, volume, **settings)
            TrainingJob(run, Path(coordinates.path), "lineage").save()
        weights_of_each_rank(1, folders)
        first, second = (np.load(folder / "rank_0.npz") for folder in folders)
        assert all(np.array_equal(first[name], second[name]) for name in first.files)

    @pytest.mark.thorough  # test_resume_within_round stops it at harder places
    def test_a_training_that_was_stopped_ends_in_the_same_bytes(self, volume: Path, tmp_path: Path) -> None:
        whole, coordinates = make_run(tmp_path / "whole", volume, **ROUND, fovs=80)
        train(whole, coordinates)
        parted, sampled = make_run(tmp_path / "parted", volume, **ROUND, fovs=40)
        train(parted, sampled)
        further, _ = make_run(parted.folder, volume, **ROUND, fovs=80)
        train(further, sampled)
        gone_on, undisturbed = checkpoint_of(further), checkpoint_of(whole)
        assert gone_on.progress == undisturbed.progress
        weights = undisturbed.weights
        assert all(np.array_equal(gone_on.weights[name], weights[name]) for name in weights)
        pairs = zip(gone_on.optimizer, undisturbed.optimizer, strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)

    def test_what_is_spoiled_on_one_rank_ends_both_at_the_next_averaging(
        self, volume: Path, tmp_path: Path
    ) -> None:
        run, coordinates, centre = spoiled_for_rank_1(tmp_path, volume)
        training = run.config.training.model_copy(update={"local_steps": 4})
        run = replace(run, config=run.config.model_copy(update={"training": training}))
        message = refusal(run, coordinates)
        assert message.startswith(f"training step 4, rank 1: the loss is nan at {centre}; ")
