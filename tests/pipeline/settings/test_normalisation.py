"""What an image is normalised by is measured once, and anew where the image is another."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from pipeline.settings.input_identities import write_kept
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config, load_config

IMAGE = np.random.default_rng(3).integers(0, 256, (20, 40, 40), dtype=np.uint8)
WHOLE, PART = "0:20,0:40,0:40", "0:20,0:40,0:30"
GIVEN: dict[str, Any] = {"image_mean": 128, "image_stddev": 33}


def write_image(folder: Path, image: np.ndarray) -> None:
    with h5py.File(folder / "em.h5", "w") as file:
        file["raw"] = image
        file["labels"] = np.ones(image.shape, np.uint32)


def document(folder: Path, box: str = WHOLE, **data: Any) -> RunConfig:
    return RunConfig.model_validate({
        "data": {"image": f"{folder}/em.h5:raw", **data},
        "network": {"checkpoint": "ffn.h5", "fov": [9, 9, 9], "deltas": [2, 2, 2]},
        "inference": {"box": box, "tile": [20, 30, 30], "overlap": [0, 0, 0]},
    })  # fmt: skip


def resolved(folder: Path, run_folder: str, box: str = WHOLE, trust_kept: bool = False) -> Run:
    return resolve(document(folder, box), folder / run_folder, trust_kept)


def start(run: Run) -> Run:
    """Leave what a start leaves."""
    run.logs_folder.mkdir(parents=True, exist_ok=True)
    run.config_file.write_text(dump_config(run.config))
    write_kept(run)
    return run


@pytest.fixture
def started(tmp_path: Path) -> Run:
    """A run as its start has left it."""
    write_image(tmp_path, IMAGE)
    return start(resolved(tmp_path, "run"))


def measure_otherwise(run: Run) -> None:
    """As an earlier version might have measured."""
    kept = json.loads(run.inputs_file.read_text())
    kept["image"][-1] = kept["image"][-1].replace(str(run.normalisation[0]), "99.0")
    run.inputs_file.write_text(json.dumps(kept))


def test_later_starts_keep_what_was_measured(started: Run, tmp_path: Path) -> None:
    measure_otherwise(started)
    assert resolved(tmp_path, "run").normalisation == (99.0, started.normalisation[1])
    os.utime(tmp_path / "em.h5", (1, 1))
    assert resolved(tmp_path, "run").normalisation[0] == 99.0
    start(resolve(load_config(started.config_file), started.folder))  # by --run-dir alone
    assert resolved(tmp_path, "run").normalisation[0] == 99.0
    assert resolved(tmp_path, "run", PART).normalisation[0] != 99.0


def test_what_was_set_before_is_not_taken_for_measured(tmp_path: Path) -> None:
    write_image(tmp_path, IMAGE)
    given = start(resolve(document(tmp_path, **GIVEN), tmp_path / "run"))
    assert given.normalisation == (128, 33)
    left_out = start(resolved(tmp_path, "run"))
    assert left_out.normalisation == resolved(tmp_path, "fresh").normalisation
    start(resolve(document(tmp_path, **GIVEN), tmp_path / "run"))
    assert resolved(tmp_path, "run") == left_out


def test_a_network_is_not_lost_for_another_box(tmp_path: Path) -> None:
    """That of inference, on which a mean that nobody gave depends, is what people change after a training."""
    write_image(tmp_path, IMAGE)

    def training_run(box: str) -> Run:
        given = document(tmp_path, box, labels=f"{tmp_path}/em.h5:labels").model_dump(exclude_unset=True)
        del given["network"]["checkpoint"]
        return resolve(RunConfig.model_validate(given), tmp_path / "run")

    before = start(training_run(PART))
    assert training_run(WHOLE).normalisation != before.normalisation
    before.model_file.parent.mkdir()
    before.model_file.touch()
    assert training_run(WHOLE).normalisation == before.normalisation
    kept = {name: known[:3] for name, known in json.loads(before.inputs_file.read_text()).items()}
    before.inputs_file.write_text(json.dumps(kept))  # as an earlier version left it
    assert training_run(WHOLE).normalisation == before.normalisation
    write_image(tmp_path, IMAGE[:, ::2, :20])
    small = "0:20,0:20,0:20"
    assert training_run(small).normalisation != before.normalisation


def test_a_look_at_a_run_measures_nothing(started: Run, tmp_path: Path) -> None:
    """It shows the run as its last start has left it, wherever the image is, and whatever became of it."""
    measure_otherwise(started)
    write_image(tmp_path, IMAGE // 2 + 20)
    assert resolved(tmp_path, "run", trust_kept=True).normalisation[0] == 99.0


def test_an_image_written_anew_is_normalised_as_in_a_new_folder(started: Run, tmp_path: Path) -> None:
    write_image(tmp_path, IMAGE // 2 + 20)
    again, fresh = resolved(tmp_path, "run"), resolved(tmp_path, "other")
    assert again.normalisation == fresh.normalisation != started.normalisation
