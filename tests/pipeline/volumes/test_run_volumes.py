"""The run's image and labels are found, placed and checked against each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.volumes import open_image, open_labels, open_mask
from tests.pipeline.volumes.writers_precomputed import write_precomputed

IMAGE = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
LABELS = IMAGE.astype(np.int32)


def make_run(path: Path, **data: Any) -> Run:
    with h5py.File(path / "data.h5", "w") as file:
        file["raw"] = IMAGE
        file["wide"] = IMAGE.astype(np.int64)
        file["seg"] = LABELS
        file["part"] = LABELS[1:3]
        file["soft"] = IMAGE.astype(np.float32)
    return Run(path / "run", RunConfig.model_validate({"data": data}))


def test_relative_paths_are_looked_up_in_the_data_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path, folder=str(tmp_path), image="data.h5:raw", labels="data.h5:seg")
    np.testing.assert_array_equal(open_image(run).read(Box.of_shape((4, 5, 6))), IMAGE)
    np.testing.assert_array_equal(open_labels(run).read(Box.of_shape((4, 5, 6))), LABELS)


@pytest.mark.parametrize("scheme", ["precomputed://", "file://", "precomputed://file://"])
def test_relative_addresses_of_files_are_looked_up_there_too(tmp_path: Path, scheme: str) -> None:
    """Not where a process happens to be: workers are elsewhere than the driver."""
    write_precomputed(tmp_path, IMAGE, (0, 0, 0), (40, 4, 4), chunk=(4, 4, 4))
    run = make_run(tmp_path, folder=str(tmp_path), image=f"{scheme}precomputed", labels="data.h5:seg")
    np.testing.assert_array_equal(open_image(run).read(Box.of_shape((4, 5, 6))), IMAGE)


def test_absolute_paths_need_no_data_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path, folder="/nowhere", image=f"{tmp_path}/data.h5:raw", voxel_size_nm=(40, 4, 4))
    assert open_image(run).shape == (4, 5, 6)
    assert open_image(run).voxel_size_nm == (40, 4, 4)


def test_phantom_stands_for_the_file_that_the_run_makes(tmp_path: Path) -> None:
    run = make_run(tmp_path, image="phantom", labels="phantom")
    run.phantom_file.parent.mkdir(parents=True)
    with h5py.File(run.phantom_file, "w") as file:
        file["image"] = IMAGE
        file["labels"] = LABELS.astype(np.uint32)
    np.testing.assert_array_equal(open_image(run).read(open_image(run).box), IMAGE)
    np.testing.assert_array_equal(open_labels(run).read(open_labels(run).box), LABELS)
    assert open_image(run).voxel_size_nm == run.config.data.phantom.voxel_size_nm


def test_labels_of_a_part_are_read_in_the_image_s_coordinates(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, folder=str(tmp_path), image="data.h5:raw", labels="data.h5:part", labels_box="1:3,0:5,0:6"
    )
    labels = open_labels(run)
    assert labels.box == Box.parse("1:3,0:5,0:6")
    np.testing.assert_array_equal(labels.read(Box.parse("2:3,1:4,0:6")), LABELS[2:3, 1:4])
    with pytest.raises(InputError, match="outside"):
        labels.read(Box.parse("0:2,0:5,0:6"))


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ({"labels": None}, "data.labels is not set"),
        ({"labels": "data.h5:soft"}, "data.labels .*data.h5:soft holds float32; expected integer ids"),
        ({"labels": "data.h5:part"}, r"data.h5:part has shape \(2, 5, 6\), but the image .*data.h5:raw has"),
        ({"labels": "data.h5:part", "labels_box": "0:3,0:5,0:6"}, r"labels_box .* has shape \(3, 5, 6\)"),
        ({"labels": "data.h5:part", "labels_box": "4:6,0:5,0:6"}, "share no voxel; set data.labels_box"),
        (
            {"labels": "data.h5:seg", "image": "data.h5:wide"},
            "data.image .* holds int64; expected integers of",
        ),
        ({"labels": "data.h5:seg", "image": "absent.h5:raw"}, "absent.h5: no such file"),
    ],
)
def test_volumes_that_cannot_be_used_are_refused(tmp_path: Path, data: dict[str, Any], wrong: str) -> None:
    run = make_run(tmp_path, **{"folder": str(tmp_path), "image": "data.h5:raw", **data})
    with pytest.raises(InputError, match=wrong):
        open_labels(run)


def write_levels(folder: Path, name: str, unit: str | None) -> str:
    """An OME-Zarr of two levels, the second of half the size; its axes have a unit or none."""
    group = zarr.open_group(str(folder / f"{name}.zarr"), mode="w", zarr_format=2)
    for level, step in enumerate((1, 2)):
        array = np.repeat(LABELS.astype(np.uint16), 4, axis=0)[::step, ::step, ::step]
        group.create_array(str(level), data=array + 1)
    axes: Any = [{"name": axis, "type": "space", **({"unit": unit} if unit else {})} for axis in "zyx"]
    datasets = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": [40 * s, 8 * s, 8 * s]}]}
        for k, s in enumerate((1, 2))
    ]
    multiscales: Any = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    group.attrs["multiscales"] = multiscales
    return str(folder / f"{name}.zarr")


def test_labels_come_from_the_level_whose_voxels_are_those_of_the_image(tmp_path: Path) -> None:
    em, seg = (write_levels(tmp_path, name, "nanometer") for name in ("em", "seg"))
    run = make_run(tmp_path, image=em, labels=seg, mip=1)
    assert open_labels(run).shape == open_image(run).shape == (8, 3, 3)
    corrected = make_run(tmp_path, image=em, labels=seg, mip=1, voxel_size_nm=(70, 16, 16))
    assert open_labels(corrected).shape == (8, 3, 3)


@pytest.mark.parametrize("unit", [None, "pixel"])
def test_where_no_level_is_known_to_fit_it_has_to_be_set(tmp_path: Path, unit: str | None) -> None:
    em, seg = (write_levels(tmp_path, name, unit) for name in ("em", "seg"))
    assert open_labels(make_run(tmp_path, image=em, labels=seg)).shape == (16, 5, 6)
    with pytest.raises(InputError, match=r"2 levels.* is unknown; set data\.labels_mip"):
        open_labels(make_run(tmp_path, image=em, labels=seg, mip=1))
    chosen = make_run(tmp_path, image=em, labels=seg, mip=1, labels_mip=1)
    assert open_labels(chosen).shape == (8, 3, 3)


def test_a_channel_of_a_volume_without_channels_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, folder=str(tmp_path), image="data.h5:raw", channel=5)
    with pytest.raises(InputError, match=r"no channels; data\.channel is 5"):
        open_image(run)


@pytest.mark.parametrize(
    ("stored", "attributes", "expected"),
    [
        (np.ones((2, 4, 5, 6)), {"axes": "czyx"}, "has 2 channels; give data.mask a volume of one channel"),
        (np.ones((2, 4, 5, 6)), {}, "expected three dimensions z, y, x; give data.mask a volume whose axes"),
        (np.ones((4, 5, 6)), {"MATLAB_class": "uint8"}, "in reverse: give data.mask a volume whose axes are"),
        (
            np.ones((4, 5, 6)),
            {"resolution": (4, 4, 4), "offset": (2, 0, 0)},
            "no whole number: give data.mask",
        ),
        (
            np.ones((4, 5, 6)),
            {"offset": (2, 0, 0)},
            "set data.voxel_size_nm, or give data.mask a volume that",
        ),
        (np.ones((4, 5, 6)), {"offset": "left"}, "expected three, for z, y, x: give data.mask a volume that"),
    ],
)
def test_errors_of_a_mask_name_no_setting_that_there_is_not(
    tmp_path: Path, stored: np.ndarray, attributes: dict[str, Any], expected: str
) -> None:
    run = make_run(tmp_path, image=f"{tmp_path}/data.h5:raw", mask=f"{tmp_path}/mask.h5:m")
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["m"] = stored.astype(np.uint8)
        file["m"].attrs.update(attributes)
    with pytest.raises(InputError, match=expected) as caught:
        open_mask(run)
    assert set(re.findall(r"data\.(\w+)", str(caught.value))) <= {"mask", "voxel_size_nm"}


def test_a_mask_with_levels_none_of_which_is_known_to_fit_names_no_setting(tmp_path: Path) -> None:
    em, mask = (write_levels(tmp_path, name, None) for name in ("em", "mask"))
    with pytest.raises(InputError, match=r"2 levels.* is unknown; give data.mask a volume of one level"):
        open_mask(make_run(tmp_path, image=em, mask=mask, mip=1))
