"""Inputs lie where their files say, in voxels of the size that these say, or end in one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from as_people_have_them import CREMI, SHAPE, cells, findings, run_on, write_hdf5, write_precomputed

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import open_image, open_labels


def test_labels_lie_where_their_offset_in_nm_says(tmp_path: Path) -> None:
    image, labels = cells()
    part = {"resolution": (40.0, 4.0, 4.0), "offset": (2 * 40.0, 8 * 4.0, 16 * 4.0)}
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI), labels=(labels[2:38, 8:48, 16:56], part))
    run = run_on(tmp_path, data={"labels": "em.h5:labels"})
    assert open_labels(run).box == Box.parse("2:38,8:48,16:56")
    assert run.config.training.box == run.config.evaluation.box == Box.parse("2:38,8:48,16:56")
    np.testing.assert_array_equal(
        open_labels(run).read(Box.parse("5:9,10:20,30:40")), labels[5:9, 10:20, 30:40]
    )


@pytest.mark.parametrize(
    ("attributes", "wrong"),
    [
        ({"resolution": (40.0, 8.0, 8.0)}, "has voxels of 40 x 8 x 8 nm, the image .* of 40 x 4 x 4 nm"),
        ({**CREMI, "offset": (20.0, 0.0, 0.0)}, "no whole number: set data.labels_box"),
        ({**CREMI, "offset": (4000.0, 0.0, 0.0)}, "share no voxel; set data.labels_box"),
    ],
)
def test_labels_that_cannot_be_put_on_the_image_end_in_one_line(
    tmp_path: Path, attributes: dict[str, Any], wrong: str
) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI), labels=(labels, attributes))
    with pytest.raises(InputError, match=wrong):
        run_on(tmp_path, data={"labels": "em.h5:labels"})


def test_precomputed_volumes_are_in_their_own_coordinates(tmp_path: Path) -> None:
    image, labels = cells()
    write_precomputed(tmp_path / "image", image, (300, 2000, 1000), "image")
    write_precomputed(tmp_path / "elsewhere", labels, (290, 1990, 1000), "segmentation")
    run = run_on(tmp_path, data={"image": "image", "labels": "elsewhere"})
    assert run.inference_box == Box.of_shape(SHAPE, (300, 2000, 1000))
    assert run.config.evaluation.box == Box((300, 2000, 1000), (330, 2038, 1056))
    box = Box((300, 2000, 1000), (310, 2010, 1010))
    np.testing.assert_array_equal(open_labels(run).read(box), labels[10:20, 10:20, :10])
    assert "40 x 4 x 4 nm" in findings(run)["image"]


def test_an_ome_zarr_is_opened_as_it_is(tmp_path: Path) -> None:
    image, _ = cells()
    group = zarr.open_group(str(tmp_path / "em.ome"), mode="w", zarr_format=2)
    levels: list[Any] = []
    for level in range(2):
        part = image[None, None, :: 2**level, :: 2**level, :: 2**level]
        array = group.create_array(str(level), shape=part.shape, dtype="u1", chunks=(1, 1, 16, 16, 16))
        array[...] = part
        scale = [1, 1, *(size * 2**level for size in (0.04, 0.004, 0.004))]
        moves = [{"type": "scale", "scale": scale}]
        levels.append({"path": str(level), "coordinateTransformations": moves})
    axes: list[Any] = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
    run = run_on(tmp_path, data={"image": "em.ome"})
    assert open_image(run).voxel_size_nm == (40, 4, 4)
    np.testing.assert_array_equal(open_image(run).read(run.inference_box), image)
    coarse = run_on(tmp_path, data={"image": "em.ome", "mip": 1})
    assert open_image(coarse).voxel_size_nm == (80, 8, 8)
    np.testing.assert_array_equal(open_image(coarse).read(coarse.inference_box), image[::2, ::2, ::2])


def test_labels_of_another_part_leave_a_run_with_nothing_to_score(tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels[:, :, :26])
    data = {"labels": "em.h5:labels", "labels_box": "0:40,0:48,0:26"}
    run = run_on(tmp_path, data=data, inference={"box": "0:40,0:48,30:56"})
    assert run.config.evaluation.box is None
    assert "share no voxel; the run segments all the same" in findings(run)["scores"]


@pytest.mark.parametrize("size", [(0.04, 0.004, 0.004), (4e6, 4e6, 4e6)])
def test_a_voxel_size_in_another_unit_is_doubted(tmp_path: Path, size: tuple[float, float, float]) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=(image, {"resolution": size}))
    assert "that is no size of a voxel" in findings(run_on(tmp_path))["image"]


def test_a_voxel_size_that_lists_x_y_and_z_is_doubted(tmp_path: Path) -> None:
    image, _ = cells()
    for size, doubt in (((4, 4, 40), True), ((40, 4, 4), False), ((8, 8, 8), False), ((30, 30, 6), False)):
        write_hdf5(tmp_path / "em.h5", image=(image, {"voxel_size_nm": size}))
        assert ("does its file list x, y, z?" in findings(run_on(tmp_path))["image"]) == doubt
        told = findings(run_on(tmp_path, data={"voxel_size_nm": [40, 4, 4]}))["image"]
        assert "does its file list" not in told


def test_what_matlab_wrote_needs_its_axes(tmp_path: Path) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=(image.transpose(0, 2, 1), {"MATLAB_class": "uint8"}))
    with pytest.raises(InputError, match=r"written by MATLAB.*set data\.axes"):
        run_on(tmp_path)
    np.testing.assert_array_equal(
        open_image(run_on(tmp_path, data={"axes": "zxy"})).read(Box.of_shape(SHAPE)), image
    )


def test_an_unknown_format_lists_the_formats(tmp_path: Path) -> None:
    (tmp_path / "em.what").write_bytes(b"MAP " * 300)
    with pytest.raises(InputError, match=r"em\.what is of no known format; these are read: HDF5"):
        run_on(tmp_path, data={"image": "em.what"})


@pytest.mark.parametrize(("set_nm", "state"), [(None, "warn"), ([40, 4, 4], "ok")])
def test_voxel_sizes_of_one_file_that_contradict_each_other_are_told(
    tmp_path: Path, set_nm: list[int] | None, state: str
) -> None:
    image, labels = cells()
    several = {**CREMI, "element_size_um": (0.03, 0.008, 0.008)}
    write_hdf5(tmp_path / "em.h5", image=(image, several), labels=(labels, several))
    data = {"labels": "em.h5:labels", "voxel_size_nm": set_nm}
    told = findings(run_on(tmp_path, data=data))
    assert told["image"].startswith(state)
    for check in ("image", "labels"):
        assert ("its attribute element_size_um says 30 x 8 x 8 nm" in told[check]) == (set_nm is None)
