"""Recipes that are not the default, in real trainings of two ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.ffn.trained_with import read_trained_with
from pipeline.ffn.weights import read_weights
from pipeline.run_folder import Run
from pipeline.training.launch import train
from tests.pipeline.training.real_trainings import checkpoint_of, log_of, make_run, without_speed

pytestmark = pytest.mark.slow

EVERYTHING: dict[str, Any] = {
    "fovs": 120,
    "report_every_steps": 10,
    "checkpoint_every_steps": 20,
    "precision": "float32",
    "optimizer": "lamb",
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "ema": 0.8,
    "schedule": "cyclic",
    "cycle_fovs": 40,
    "warmup_fovs": 20,
    "clip_value": None,
    "clip_norm": 1.0,
    "fov_moves": "fixed_window",
    "pad_probability": 0.5,
    "move_threshold": 0.6,
    "epochs": True,
    "pictures": True,
    "cache_gib": 1e-5,
    "augmentation": {
        "contrast": 0.2,
        "brightness": 0.2,
        "missing": 0.1,
        "shifted": 0.1,
        "blurred": 0.1,
        "elastic": 1,
    },
}


def trained(folder: Path, volume: Path) -> tuple[Run, str]:
    data = {"image": f"{volume}:image", "labels": f"{volume}:labels", "image_mean": 99, "image_stddev": 40}
    other = {"data": data, "box": "0:40,0:40,5:40", "weight": 0.5}
    run, coordinates = make_run(folder, volume, **EVERYTHING, volumes=[other])
    return run, train(run, coordinates).sha256


def test_all_at_once_trains_and_gives_the_same_bytes_again(volume: Path, tmp_path: Path) -> None:
    run, first = trained(tmp_path / "first", volume)
    again, second = trained(tmp_path / "second", volume)
    assert first == second
    assert without_speed(log_of(run)) == without_speed(log_of(again))
    assert len(list((run.logs_folder / "pictures").glob("events*"))) == 1

    final = checkpoint_of(run)
    published = read_weights(run.model_file, run.config.network)
    assert final.averages is not None
    for name, value in final.averages.items():
        np.testing.assert_array_equal(published[name], value)
    assert any(not np.array_equal(published[name], value) for name, value in final.weights.items())
    assert final.progress.deal.frontier > 0

    told = read_trained_with(run.model_file)
    assert told is not None
    assert (told.pad_probability, told.move_threshold) == (0.5, 0.6)
    assert told.differences(run) == []
    assert (
        "of the time since the last line this rank waited"
        in (run.logs_folder / "training" / "rank_1.log").read_text()
    )
