"""Masks of tissue, and of what is learned from: what they leave out, or do not cover, is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from as_people_have_them import CREMI, SHAPE, cells, findings, run_on, write_hdf5, write_precomputed
from skimage.io import imsave

from pipeline.errors import InputError
from pipeline.volumes.run_volumes import open_mask


def test_nothing_is_seeded_outside_the_mask(tmp_path: Path) -> None:
    image, _ = cells()
    tissue = np.zeros(SHAPE, np.uint8)
    tissue[:, :24] = 1
    write_hdf5(tmp_path / "em.h5", image=image, tissue=tissue)
    run = run_on(tmp_path, data={"mask": "em.h5:tissue"})
    assert "50% of inference.box is tissue" in findings(run)["mask"]


def test_a_mask_of_other_voxels_than_its_file_says_is_told(tmp_path: Path) -> None:
    image, _ = cells()
    tissue = np.ones([n // 2 for n in SHAPE], np.uint8)
    write_hdf5(tmp_path / "em.h5", image=image)
    write_hdf5(tmp_path / "tissue.h5", mask=(tissue, {"resolution": (16, 16, 16), "offset": (0, 0, 0)}))
    told = findings(run_on(tmp_path, data={"mask": "tissue.h5:mask", "voxel_size_nm": [8, 8, 8]}))["mask"]
    assert told.startswith("warn")
    assert "their file says 16 x 16 x 16 nm" in told
    alone = findings(run_on(tmp_path, data={"mask": "tissue.h5:mask"}))["mask"]
    assert "the voxel size stands in one of the two files alone" in alone


def test_what_a_mask_does_not_cover_is_told(tmp_path: Path) -> None:
    image, _ = cells()
    write_precomputed(tmp_path / "tissue", np.ones((16, *SHAPE[1:]), np.uint8), (0, 0, 0), "segmentation")
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI))
    run = run_on(tmp_path, data={"mask": f"file://{tmp_path}/tissue"})
    assert "40% of inference.box is tissue; it covers 40% of inference.box" in findings(run)["mask"]
    next(path for path in (tmp_path / "tissue").glob("*/*") if path.is_file()).unlink()
    assert "1 of 12 chunks of the mask are missing" in findings(run)["mask"]


def test_what_a_loss_mask_does_not_cover_is_told(tmp_path: Path) -> None:
    image, labels = cells()
    size = {"resolution": (8, 8, 8)}
    write_hdf5(tmp_path / "em.h5", image=(image, size), labels=(labels, size))
    write_hdf5(tmp_path / "learn.h5", here=(np.ones((40, 48, 28), bool), {**size, "offset": (0, 0, 0)}))
    write_hdf5(tmp_path / "far.h5", away=(np.ones((40, 48, 28), bool), {**size, "offset": (800, 0, 0)}))
    data = {"labels": "em.h5:labels", "loss_mask": "learn.h5:here"}
    own = findings(run_on(tmp_path, data=data))
    assert "50% of training.box is learned from; it covers 50% of training.box" in own["loss mask"]
    with pytest.raises(
        InputError, match=r"data.loss_mask .* training.box .* elsewhere; nothing would be learned"
    ):
        findings(run_on(tmp_path, data={**data, "loss_mask": "far.h5:away"}))
    other = {"image": "em.h5:image", **data, "folder": str(tmp_path)}
    several = findings(run_on(tmp_path, data=data, training={"volumes": [{"data": other}]}))["volumes"]
    assert "training.volumes.0: " in several
    assert "50% of training.box is learned from" in several


@pytest.mark.parametrize("which", ["mask", "loss_mask"])
def test_a_mask_in_jpeg_is_refused(which: Literal["mask", "loss_mask"], tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI), labels=(labels, CREMI))
    (tmp_path / "tissue").mkdir()
    for z, section in enumerate((labels > 0).astype(np.uint8) * 255):
        imsave(tmp_path / "tissue" / f"z{z:04}.jpg", section, check_contrast=False)
    with pytest.raises(InputError, match=f"data.{which} .* stored as JPEG, which changes where it is 0"):
        open_mask(run_on(tmp_path, data={which: "tissue"}), which)
