"""What is missing of image and labels is counted and told, and above a share refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from as_people_have_them import SHAPE, cells, findings, run_on, write_hdf5, write_precomputed
from skimage.io import imsave

from pipeline.errors import InputError
from pipeline.volumes import open_image


def test_missing_chunks_are_counted_and_above_a_share_refused(tmp_path: Path) -> None:
    image, _ = cells()
    write_precomputed(tmp_path / "image", image, (0, 0, 0), "image")
    chunks = sorted((tmp_path / "image" / "4_4_40").iterdir())
    for chunk in chunks[:4]:
        chunk.unlink()
    whole = f"4 of {len(chunks)} chunks of the image are missing"
    with pytest.raises(InputError, match=f"{whole}.*in inference.box.*more than data.max_missing allows, 1%"):
        findings(run_on(tmp_path, data={"image": "image"}))
    told = findings(run_on(tmp_path, data={"image": "image", "max_missing": 0.2}))["complete"]
    assert told.startswith(f"warn: {whole}")


def test_gaps_among_slices_are_refused_and_can_be_filled(tmp_path: Path) -> None:
    image, _ = cells()
    (tmp_path / "slices").mkdir()
    for z in (z for z in range(SHAPE[0]) if z not in (19, 22)):
        imsave(tmp_path / "slices" / f"z{z:04}.png", image[z], check_contrast=False)
    with pytest.raises(
        InputError, match=r"2 of 40 slices of the image are missing, the first at 19:20,.*replace"
    ):
        findings(run_on(tmp_path, data={"image": "slices"}))
    mended = run_on(tmp_path, data={"image": "slices", "replace_sections": {19: 18, 22: 23}})
    assert findings(mended)["complete"].startswith("ok")
    read = open_image(mended).read(mended.inference_box)
    np.testing.assert_array_equal(read[[18, 19, 20, 22]], image[[18, 18, 20, 23]])


def test_all_that_is_doubtful_of_an_image_and_of_its_gaps_is_told(tmp_path: Path) -> None:
    image, labels = cells()
    (tmp_path / "em").mkdir()
    for z in set(range(SHAPE[0])) - {3, 35}:
        section = np.where(image[z] > 150, 255, 0).astype(np.uint8)
        imsave(tmp_path / "em" / f"z{z:04}.png", section, check_contrast=False)
    write_hdf5(tmp_path / "truth.h5", labels=labels)
    data = {
        "image": "em",
        "labels": "truth.h5:labels",
        "max_missing": 0.1,
        "image_mean": 20,
        "image_stddev": 5,
    }
    told = findings(run_on(tmp_path, data=data, training={"box": "5:40,0:48,0:56"}))
    for doubt in ("data.image_mean is 20", "of the voxels are 0:", "of the voxels are 255:"):
        assert doubt in told["intensity"]
    assert "2 of 40 slices of the image are missing, the first at 3:4" in told["complete"]
    assert "1 of 35 slices of the image are missing, the first at 35:36" in told["complete"]


def test_chunks_that_may_be_empty_are_told_as_that_of_labels_and_with_replaced_sections_too(
    tmp_path: Path,
) -> None:
    for name, array in zip(("em", "seg"), cells()):
        stored = zarr.create_array(
            str(tmp_path / f"{name}.zarr"), shape=SHAPE, chunks=(10, 12, 14), dtype=array.dtype, zarr_format=2
        )
        stored[...] = array
        (tmp_path / f"{name}.zarr" / "1.1.1").unlink()
    data = {"image": "em.zarr", "labels": "seg.zarr", "max_missing": 0.02, "replace_sections": {3: 4}}
    told = findings(run_on(tmp_path, data=data))
    for check, what in (("complete", "image"), ("labels", "labels")):
        assert f"1 of 64 chunks of the {what} are missing or hold nothing but the fill value" in told[check]
