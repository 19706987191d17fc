"""What an image is normalised by is measured once, and anew where the image is another."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from pipeline.settings.input_identities import write_kept
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config

IMAGE = np.random.default_rng(3).integers(0, 256, (20, 40, 40), dtype=np.uint8)


def write_image(folder: Path, image: np.ndarray) -> None:
    with h5py.File(folder / "em.h5", "w") as file:
        file["raw"] = image


def resolved(folder: Path, run_folder: str, box: str = "0:20,0:40,0:40", trust_kept: bool = False) -> Run:
    document = {
        "data": {"image": f"{folder}/em.h5:raw"},
        "network": {"checkpoint": "ffn.h5", "fov": [9, 9, 9], "deltas": [2, 2, 2]},
        "inference": {"box": box, "tile": [20, 40, 40], "overlap": [0, 0, 0]},
    }
    return resolve(RunConfig.model_validate(document), folder / run_folder, trust_kept)


@pytest.fixture
def started(tmp_path: Path) -> Run:
    """A run as its start has left it."""
    write_image(tmp_path, IMAGE)
    run = resolved(tmp_path, "run")
    run.folder.mkdir()
    run.config_file.write_text(dump_config(run.config))
    write_kept(run)
    return run


def measure_otherwise(run: Run) -> None:
    """As an earlier version might have measured."""
    data = run.config.data.model_copy(update={"image_mean": 99.0})
    run.config_file.write_text(dump_config(run.config.model_copy(update={"data": data})))


def test_later_starts_keep_what_was_measured(started: Run, tmp_path: Path) -> None:
    measure_otherwise(started)
    assert resolved(tmp_path, "run").normalisation == (99.0, started.normalisation[1])
    os.utime(tmp_path / "em.h5", (1, 1))
    assert resolved(tmp_path, "run").normalisation[0] == 99.0
    assert resolved(tmp_path, "run", "0:20,0:40,0:30").normalisation[0] != 99.0


def test_a_look_at_a_run_measures_nothing(started: Run, tmp_path: Path) -> None:
    """It shows the run as its last start has left it, wherever the image is, and whatever became of it."""
    measure_otherwise(started)
    write_image(tmp_path, IMAGE // 2 + 20)
    assert resolved(tmp_path, "run", trust_kept=True).normalisation[0] == 99.0


def test_an_image_written_anew_is_normalised_as_in_a_new_folder(started: Run, tmp_path: Path) -> None:
    write_image(tmp_path, IMAGE // 2 + 20)
    again, fresh = resolved(tmp_path, "run"), resolved(tmp_path, "other")
    assert again.normalisation == fresh.normalisation != started.normalisation
