"""The box in which networks are tried is looked at before they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from as_people_have_them import cells, findings, run_on, write_hdf5

from pipeline.errors import InputError

SETTINGS: dict[str, Any] = {
    "training": {
        "box": "0:40,0:48,0:64",
        "validation_box": "0:40,0:48,64:96",
        "choose_by": "segmentation",
        "validate_every_fovs": 500,
        "moves_reach": 1,
    },
    "inference": {"box": "0:40,0:48,0:64"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Beside the image, its labels and a mask, some that end where the validation box begins."""
    image, labels = cells((40, 48, 96))
    there = np.indices(labels.shape)[2] < 64
    masks = {"some": there.astype(np.uint8), "all": np.ones(labels.shape, np.uint8)}
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels, few=labels * there, **masks)
    return tmp_path


def test_what_is_missing_of_the_image_there_is_told(folder: Path) -> None:
    with h5py.File(folder / "em.h5", "a") as file:
        image = file["image"][()]
        stored = file.create_dataset("holes", image.shape, image.dtype, chunks=(40, 24, 16))
        stored[:, :, :80] = image[:, :, :80]
    data = {"image": "em.h5:holes", "labels": "em.h5:labels"}
    with pytest.raises(InputError, match=r"in training.validation_box .*more than data.max_missing"):
        findings(run_on(folder, data=data, **SETTINGS))


def test_a_box_without_labels_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="no voxel in 0:40,0:48,64:96 is labelled"):
        findings(run_on(folder, data={"labels": "em.h5:few"}, **SETTINGS))


def test_a_box_without_tissue_is_told(folder: Path) -> None:
    told = findings(run_on(folder, data={"labels": "em.h5:labels", "mask": "em.h5:some"}, **SETTINGS))["mask"]
    assert told.startswith("warn")
    assert "0% of training.validation_box is tissue; nothing would be seeded where it was looked at" in told
    told = findings(run_on(folder, data={"labels": "em.h5:labels", "mask": "em.h5:all"}, **SETTINGS))["mask"]
    assert told.startswith("ok")
    assert (
        findings(run_on(folder, data={"labels": "em.h5:labels"}, **SETTINGS))["mask"] == "skip: none is set"
    )


def test_networks_are_tried_in_the_run_s_own_volume_alone(folder: Path) -> None:
    data = {"image": f"{folder}/em.h5:image", "labels": f"{folder}/em.h5:few"}
    training = {**SETTINGS["training"], "volumes": [{"data": data, "box": "0:40,0:48,0:60"}]}
    run = run_on(folder, data={"labels": "em.h5:labels"}, **{**SETTINGS, "training": training})
    assert "em.h5:image, box 0:40,0:48,0:60" in findings(run)["volumes"]


def test_labels_of_both_boxes_are_told_in_one_line_about_one_volume(folder: Path) -> None:
    found = findings(run_on(folder, data={"labels": "em.h5:labels"}, **SETTINGS))["labels"]
    assert found.count("em.h5:labels") == 1
    assert "% of training.box labelled; " in found
    assert found.endswith("% of training.validation_box labelled")
