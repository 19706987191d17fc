"""A network is not chosen by what it was shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.settings.resolve import resolve
from pipeline.settings.scored import share_chosen_by, share_seen

CHOICE = {"choose_by": "segmentation", "validation_box": "0:40,0:40,50:80", "validate_every_fovs": 500}


def config(evaluation: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    document = {
        "data": {"image": "phantom", "labels": "phantom", "phantom": {"shape": [40, 40, 120]}},
        "network": {"fov": [13, 13, 13], "deltas": [3, 3, 3]},
        "inference": {"tile": [40, 40, 40], "overlap": [20, 20, 20]},
        "training": {"box": "0:40,0:40,0:50", "fovs": 1200, **CHOICE, **training},
        "evaluation": evaluation or {},
    }
    return RunConfig.model_validate(document)


def test_networks_are_tried_every_so_many_fovs_and_at_the_end(tmp_path: Path) -> None:
    run = resolve(config(), tmp_path)
    assert [trial.tries for trial in run.trials] == [500, 1000, 1200]
    assert resolve(config(validate_every_fovs=600), tmp_path).config.training.tried_after == [600, 1200]
    assert resolve(config(choose_by="last", validation_box=None), tmp_path).trials == []


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"validation_box": "0:40,0:40,49:80"}, "and training.box 0:40,0:40,0:50 share voxels"),
        ({"box": None}, "and training.box 0:40,0:40,0:120 share voxels"),
        ({"validation_box": "0:40,0:40,100:130"}, "reaches outside the labelled box"),
        ({"validation_box": "0:12,0:40,60:100"}, "is 12 voxels along z, smaller than the network.fov of 13"),
    ],
)
def test_a_box_that_cannot_choose_is_refused(tmp_path: Path, training: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        resolve(config(**training), tmp_path)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("volume.h5:raw", {}),
        ("volume.h5:raw", {"replace_sections": {5: 4}}),
        ("./volume.h5:/raw", {}),
        ("copy.npy", {}),
    ],
)
def test_all_that_is_labelled_of_the_same_image_is_shown_where_a_volume_has_no_box(
    tmp_path: Path, name: str, more: dict[str, Any]
) -> None:
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file["raw"] = np.random.default_rng(0).integers(0, 255, (40, 40, 120), np.uint8)
        np.save(tmp_path / "copy.npy", file["raw"][()])
        file["labels"] = np.ones((40, 40, 120), np.uint8)
    files = {"image": f"{tmp_path}/volume.h5:raw", "labels": f"{tmp_path}/volume.h5:labels"}
    other = {**files, **more, "image": f"{tmp_path}/{name}"}
    document = config(volumes=[{"data": other}]).model_dump(mode="json")
    document["data"] |= files
    with pytest.raises(InputError, match=r"training.volumes.0.box 0:40,0:40,0:120 share voxels"):
        resolve(RunConfig.model_validate(document), tmp_path / "run")


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"validation_box": None}, "needs a validation_box"),
        ({"choose_by": "last"}, "set choose_by: segmentation, or leave validation_box out"),
        ({"validate_every_fovs": 1200}, "not less than fovs, 1200"),
        ({"local_steps": 2}, "local_steps is 2"),
    ],
)
def test_settings_of_the_choice_that_do_not_fit_are_refused(training: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        config(**training)


def test_the_share_of_scored_voxels_that_chose_the_network_is_known(tmp_path: Path) -> None:
    run = resolve(config(evaluation={"box": "0:40,0:40,60:100"}), tmp_path)
    assert share_chosen_by(run) == pytest.approx(20 / 40)
    assert share_seen(run) == 0
    apart = resolve(config(evaluation={"box": "0:40,0:40,80:100"}), tmp_path)
    assert share_chosen_by(apart) == 0
