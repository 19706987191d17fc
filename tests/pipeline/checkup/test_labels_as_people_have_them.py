"""Ids that mean nothing are left out and told, and so is what can hardly be labels of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from as_people_have_them import CREMI, cells, findings, run_on, write_hdf5
from skimage.io import imsave

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.training.draws import draw_coordinates
from pipeline.volumes import open_labels


def test_cremi_s_ids_for_nothing_are_told_and_left_out_of_training(tmp_path: Path) -> None:
    image, labels = cells()
    ids = labels.astype(np.uint64)
    ids[labels == 0] = 2**64 - 1
    ids[30:, 30:, 30:] = 2**64 - 3
    zero = np.where(ids >= 2**64 - 4, 0, ids)
    write_hdf5(tmp_path / "em.h5", image=image, labels=ids, signed=ids.astype(np.int64), zero=zero)
    drawn = []
    for name in ("labels", "signed", "zero"):
        run = run_on(tmp_path, data={"labels": f"em.h5:{name}"})
        volume, sampling = open_labels(run), run.config.training.sampling
        np.testing.assert_array_equal(volume.read(volume.box), zero)
        drawn.append(draw_coordinates(volume.read, volume.box, (9, 9, 9), sampling, seed=1))
        told = findings(run)["labels"]
        share = np.mean(ids == 2**64 - 1)
        assert name == "zero" or f"({share:.1%})" in told
    np.testing.assert_array_equal(drawn[0], drawn[2])
    np.testing.assert_array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize(
    ("make", "doubt"),
    [
        (
            lambda labels: (labels > 0).astype(np.uint8),
            "all labelled voxels have the id 1: this looks like a mask, as of cells, membranes or clefts",
        ),
        (lambda labels: labels.astype(np.float32).view(np.uint32), "look like floating-point numbers"),
        (
            lambda labels: np.where(labels == 0, 1, labels + 1),
            "id 1 lies wherever two objects touch: if it is the membrane between them it should be 0",
        ),
        (lambda labels: np.where(np.indices(labels.shape)[0] < 2, labels, 0), "few voxels are labelled"),
    ],
)
def test_labels_that_are_hardly_labels_are_told(tmp_path: Path, make: Any, doubt: str) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=make(labels))
    told = findings(run_on(tmp_path, data={"labels": "em.h5:labels"}))["labels"]
    assert told.startswith("warn")
    assert doubt in told


def test_doubles_read_as_integers_are_doubted(tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels.astype(np.float64).view(np.uint64))
    found = findings(run_on(tmp_path, data={"labels": "em.h5:labels"}))["labels"]
    assert "look like floating-point numbers" in found


def test_supervoxels_without_a_body_are_told(tmp_path: Path) -> None:
    image, labels = cells()
    ids = np.unique(labels[labels > 0])
    write_hdf5(tmp_path / "em.h5", image=image)
    write_hdf5(tmp_path / "bodies.h5", stack=labels, transforms=np.stack([ids[1:], ids[1:]], axis=1))
    told = findings(run_on(tmp_path, data={"labels": "bodies.h5:stack"}))["labels"]
    assert f"{np.mean(labels == ids[0]):.1%} are of supervoxels without a body, and unlabelled" in told


def test_labels_without_a_label_are_refused(tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=np.full_like(labels, 2**32 - 1))
    with pytest.raises(InputError, match=r"no voxel in .* is labelled, id 4294967295 \(100.0%\)"):
        findings(run_on(tmp_path, data={"labels": "em.h5:labels"}))


def test_labels_are_tried_as_the_image_is(tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels)
    write_hdf5(tmp_path / "truth.h5", labels=labels)
    run = run_on(tmp_path, data={"labels": "truth.h5:labels"})
    with open(tmp_path / "truth.h5", "r+b") as file:
        file.truncate(3000)
    with pytest.raises(InputError, match=r"truth\.h5"):
        findings(run)


def test_labels_in_jpeg_are_refused(tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI))
    (tmp_path / "seg").mkdir()
    for z, section in enumerate(labels.astype(np.uint8)):
        imsave(tmp_path / "seg" / f"z{z:04}.jpg", section, check_contrast=False)
    with pytest.raises(InputError, match="stored as JPEG, which changes ids"):
        run_on(tmp_path, data={"labels": "seg"})


def test_slices_of_labels_that_begin_with_another_number_are_doubted(tmp_path: Path) -> None:
    image, labels = cells()
    for name, volume, first in (("em", image, 100), ("seg", labels.astype(np.uint16), 120)):
        (tmp_path / name).mkdir()
        for z, section in enumerate(volume):
            imsave(tmp_path / name / f"z{first + z:04}.png", section, check_contrast=False)
    run = run_on(tmp_path, data={"image": "em", "labels": "seg"})
    assert "begin with number 120, those of the image with 100" in findings(run)["labels"]
    there = Box.of_shape(labels.shape)
    placed = run_on(tmp_path, data={"image": "em", "labels": "seg", "labels_box": str(there)})
    assert "begin with number" not in findings(placed)["labels"]


@pytest.mark.parametrize(
    ("box", "wrong"),
    [("0:40,0:48,0:18", r"training.box 0:40,0:48,0:18 is 18 voxels along x; an example takes 25")],
)
def test_a_training_box_too_thin_for_an_example_is_refused(tmp_path: Path, box: str, wrong: str) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels)
    with pytest.raises(InputError, match=wrong):
        run_on(tmp_path, data={"labels": "em.h5:labels"}, training={"box": box})
