"""Inputs as people have them end right, or in one clear line: never wrong without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from as_people_have_them import SHAPE, cells, findings, run_on, write_hdf5
from cloudvolume import CloudVolume
from skimage.io import imsave

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.training.sampling import draw_coordinates
from pipeline.volumes import open_image, open_labels
from pipeline.volumes.run_volumes import open_mask

CREMI = {"resolution": (40.0, 4.0, 4.0)}


def write_precomputed(
    path: Path, array: np.ndarray, origin: tuple[int, int, int], layer: str, **more: Any
) -> None:
    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type=layer,
        data_type=array.dtype.name,
        encoding="raw",
        resolution=[4, 4, 40],
        voxel_offset=origin[::-1],
        volume_size=array.shape[::-1],
        chunk_size=[16, 16, 16],
    )
    volume = CloudVolume(f"file://{path}", info=info, progress=False, compress=False, **more)
    volume.commit_info()
    volume[:] = array.T[..., np.newaxis]


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


@pytest.mark.parametrize(
    ("convert", "mean"),
    [
        (lambda image: image.astype(np.uint16) * 257, 257.0),
        (lambda image: image.astype(np.uint16) * 4 + 30000, 4.0),
        (lambda image: image.astype(np.float32) / 255, 1 / 255),
        (lambda image: image.astype(np.int16) - 128, 1.0),
        (lambda image: image.astype(np.float16), 1.0),
        (lambda image: image.astype(">u2"), 1.0),
    ],
)
def test_mean_and_standard_deviation_are_measured_where_they_are_not_given(
    tmp_path: Path, convert: Any, mean: float
) -> None:
    image, _ = cells()
    values = convert(image)
    write_hdf5(tmp_path / "em.h5", image=values)
    run = run_on(tmp_path)
    found, spread = run.normalisation
    assert found == pytest.approx(values.astype(float).mean(), rel=0.01)
    assert spread == pytest.approx(values.astype(float).std(), rel=0.02)
    assert spread == pytest.approx(mean * image.astype(float).std(), rel=0.02)
    assert findings(run)["intensity"].startswith("ok")


def test_a_normalisation_that_is_not_the_image_s_is_told(tmp_path: Path) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=image.astype(np.uint16) * 257)
    told = findings(run_on(tmp_path, data={"image_mean": 128, "image_stddev": 33}))["intensity"]
    assert told.startswith("warn")
    assert "data.image_mean is 128 and data.image_stddev 33" in told


@pytest.mark.parametrize("value", [0, 255])
def test_a_blank_image_is_refused(tmp_path: Path, value: int) -> None:
    write_hdf5(tmp_path / "em.h5", image=np.full(SHAPE, value, np.uint8))
    with pytest.raises(InputError, match=r"em\.h5:image is blank in 0:40,0:48,0:56"):
        run_on(tmp_path)


def test_a_saturated_image_is_told(tmp_path: Path) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=np.where(image > 150, 255, image).astype(np.uint8))
    assert "of the voxels are 255: the image may be saturated" in findings(run_on(tmp_path))["intensity"]


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


@pytest.mark.parametrize(
    ("make", "doubt"),
    [
        (
            lambda labels: (labels > 0).astype(np.uint8),
            "all labelled voxels have the id 1: this looks like a mask",
        ),
        (lambda labels: labels.astype(np.float32).view(np.uint32), "look like floating-point numbers"),
        (lambda labels: np.where(np.indices(labels.shape)[0] < 2, labels, 0), "few voxels are labelled"),
    ],
)
def test_labels_that_are_hardly_labels_are_told(tmp_path: Path, make: Any, doubt: str) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=make(labels))
    told = findings(run_on(tmp_path, data={"labels": "em.h5:labels"}))["labels"]
    assert told.startswith("warn")
    assert doubt in told


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


def test_an_unknown_format_lists_the_formats(tmp_path: Path) -> None:
    (tmp_path / "em.mrc").write_bytes(b"MAP " * 300)
    with pytest.raises(InputError, match=r"em\.mrc is of no known format; these are read: HDF5"):
        run_on(tmp_path, data={"image": "em.mrc"})


@pytest.mark.parametrize(
    ("box", "wrong"),
    [("0:40,0:48,0:18", r"training.box 0:40,0:48,0:18 is 18 voxels along x; an example takes 25")],
)
def test_a_training_box_too_thin_for_an_example_is_refused(tmp_path: Path, box: str, wrong: str) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels)
    with pytest.raises(InputError, match=wrong):
        run_on(tmp_path, data={"labels": "em.h5:labels"}, training={"box": box})


def test_labels_of_another_part_leave_a_run_with_nothing_to_score(tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels[:, :, :26])
    data = {"labels": "em.h5:labels", "labels_box": "0:40,0:48,0:26"}
    run = run_on(tmp_path, data=data, inference={"box": "0:40,0:48,30:56"})
    assert run.config.evaluation.box is None
    assert "share no voxel; the run segments all the same" in findings(run)["scores"]


def test_nothing_is_seeded_outside_the_mask(tmp_path: Path) -> None:
    image, _ = cells()
    tissue = np.zeros(SHAPE, np.uint8)
    tissue[:, :24] = 1
    write_hdf5(tmp_path / "em.h5", image=image, tissue=tissue)
    run = run_on(tmp_path, data={"mask": "em.h5:tissue"})
    assert "50% of inference.box is tissue" in findings(run)["mask"]


@pytest.mark.parametrize(
    ("image", "is_told"),
    [
        (lambda grey: grey.astype(np.uint32) + np.uint32(3_000_000_000), True),
        (lambda grey: grey * 1e-3 + 1e6, True),
        (lambda grey: grey + 1e6, False),
        (lambda grey: grey.astype(np.int32) - 100_000, False),
    ],
)
def test_an_image_of_which_float32_leaves_nothing_is_refused(
    image: Callable[[np.ndarray], np.ndarray], is_told: bool, tmp_path: Path
) -> None:
    stored = image(cells()[0])
    write_hdf5(tmp_path / "em.h5", image=stored)
    run = run_on(tmp_path)
    mean, stddev = run.normalisation
    assert abs(mean - stored.mean()) < stddev / 5  # a part of the image was measured
    if is_told:
        with pytest.raises(InputError, match="which is what float32 has there, little is left"):
            findings(run)
    else:
        assert findings(run)["intensity"].startswith("ok")


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


def test_what_a_mask_does_not_cover_is_told(tmp_path: Path) -> None:
    image, _ = cells()
    write_precomputed(tmp_path / "tissue", np.ones((16, *SHAPE[1:]), np.uint8), (0, 0, 0), "segmentation")
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI))
    run = run_on(tmp_path, data={"mask": f"file://{tmp_path}/tissue"})
    assert "40% of inference.box is tissue; it covers 40% of inference.box" in findings(run)["mask"]
    next(path for path in (tmp_path / "tissue").glob("*/*") if path.is_file()).unlink()
    assert "1 of 12 chunks of the mask are missing" in findings(run)["mask"]


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


@pytest.mark.parametrize("which", ["mask", "loss_mask"])
def test_a_mask_in_jpeg_is_refused(which: Literal["mask", "loss_mask"], tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI), labels=(labels, CREMI))
    (tmp_path / "tissue").mkdir()
    for z, section in enumerate((labels > 0).astype(np.uint8) * 255):
        imsave(tmp_path / "tissue" / f"z{z:04}.jpg", section, check_contrast=False)
    with pytest.raises(InputError, match=f"data.{which} .* stored as JPEG, which changes where it is 0"):
        open_mask(run_on(tmp_path, data={which: "tissue"}), which)


def test_labels_in_jpeg_are_refused(tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI))
    (tmp_path / "seg").mkdir()
    for z, section in enumerate(labels.astype(np.uint8)):
        imsave(tmp_path / "seg" / f"z{z:04}.jpg", section, check_contrast=False)
    with pytest.raises(InputError, match="stored as JPEG, which changes ids"):
        run_on(tmp_path, data={"labels": "seg"})


def test_doubles_read_as_integers_are_doubted(tmp_path: Path) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels.astype(np.float64).view(np.uint64))
    found = findings(run_on(tmp_path, data={"labels": "em.h5:labels"}))["labels"]
    assert "look like floating-point numbers" in found


def test_what_matlab_wrote_needs_its_axes(tmp_path: Path) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=(image.transpose(0, 2, 1), {"MATLAB_class": "uint8"}))
    with pytest.raises(InputError, match=r"written by MATLAB.*set data\.axes"):
        run_on(tmp_path)
    np.testing.assert_array_equal(
        open_image(run_on(tmp_path, data={"axes": "zxy"})).read(Box.of_shape(SHAPE)), image
    )


def test_a_tissue_range_that_no_voxel_is_in_is_doubted(tmp_path: Path) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI))
    found = findings(run_on(tmp_path, data={"tissue_range": [1000, 2000]}))["intensity"]
    assert "none is in data.tissue_range" in found
