"""Every format gives the voxels that were stored, box by box, and says what is wrong with bad input."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.io import imsave

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import PlacedVolume, Volume, open_volume

SHAPE = (7, 11, 13)
IMAGE = np.random.default_rng(1).integers(0, 256, SHAPE, dtype=np.uint8)
IDS = np.random.default_rng(2).integers(0, 2**63, SHAPE, dtype=np.uint64)


def write_hdf5(folder: Path, array: np.ndarray) -> str:
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_dataset("some/raw", data=array, chunks=(2, 4, 8), compression="gzip")
    return f"{folder / 'v.h5'}:some/raw"


def write_zarr(folder: Path, array: np.ndarray) -> str:
    zarr.save_array(str(folder / "v.zarr"), array)
    return str(folder / "v.zarr")


def write_zarr_group(folder: Path, array: np.ndarray) -> str:
    zarr.save_group(str(folder / "group"), raw=array)
    return f"zarr://{folder / 'group'}:raw"


def write_precomputed(folder: Path, array: np.ndarray) -> str:
    from cloudvolume import CloudVolume

    cloudpath = f"file://{folder / 'precomputed'}"
    CloudVolume.from_numpy(
        array.T[..., np.newaxis], cloudpath, resolution=(4, 5, 6), voxel_offset=(30, -20, 10),
        chunk_size=(4, 4, 4), layer_type="image", progress=False,
    )  # fmt: skip
    return f"precomputed://{folder / 'precomputed'}"


def write_slices(folder: Path, array: np.ndarray, suffix: str) -> str:
    # unpadded numbers, so that the order of the names' text would be wrong
    (folder / "slices").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "low contrast image"
        for z, image in enumerate(array):
            imsave(folder / "slices" / f"s{z + 5}{suffix}", image, check_contrast=False)
    return str(folder / "slices")


def write_png(folder: Path, array: np.ndarray) -> str:
    return write_slices(folder, array, ".png")


def write_tiff(folder: Path, array: np.ndarray) -> str:
    return write_slices(folder, array, ".tif")


WRITERS: dict[str, Callable[[Path, np.ndarray], str]] = {
    "hdf5": write_hdf5,
    "zarr": write_zarr,
    "zarr group": write_zarr_group,
    "precomputed": write_precomputed,
    "png": write_png,
    "tiff": write_tiff,
}
ARRAYS = [
    pytest.param(name, array, id=f"{name} {array.dtype}")
    for name in WRITERS
    for array in (IMAGE, IDS, IMAGE.astype(np.uint16) * 200, IMAGE.astype(np.float32) / 7)
    if not (name == "png" and array.dtype not in (np.uint8, np.uint16))
    if not (name == "precomputed" and array.dtype == np.float32)
]


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Volume]:
    return {
        name: open_volume(write(tmp_path_factory.mktemp("volume"), IMAGE)) for name, write in WRITERS.items()
    }


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    pairs = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE]
    (z0, z1), (y0, y1), (x0, x1) = pairs
    return Box((z0, y0, x0), (z1, y1, x1))


@pytest.mark.parametrize(("name", "array"), ARRAYS)
def test_a_volume_gives_back_what_was_written(name: str, array: np.ndarray, tmp_path: Path) -> None:
    volume = open_volume(WRITERS[name](tmp_path, array))
    assert volume.shape == SHAPE
    assert volume.dtype == array.dtype
    assert volume.box == Box.of_shape(SHAPE)
    read = volume.read(volume.box)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("name", WRITERS)
@given(box=boxes())
@settings(max_examples=30, deadline=None)
def test_reading_a_box_is_slicing_the_array(name: str, volumes: dict[str, Volume], box: Box) -> None:
    np.testing.assert_array_equal(volumes[name].read(box), IMAGE[box.slices()])


@given(box=boxes(), start=st.tuples(st.integers(-99, 99), st.integers(-99, 99), st.integers(-99, 99)))
@settings(max_examples=30, deadline=None)
def test_a_placed_volume_is_read_in_the_coordinates_it_was_placed_in(
    volumes: dict[str, Volume], box: Box, start: tuple[int, int, int]
) -> None:
    placed = PlacedVolume(volumes["hdf5"], start)
    assert placed.box == Box.of_shape(SHAPE, start)
    np.testing.assert_array_equal(placed.read(box.translate(start)), IMAGE[box.slices()])


@pytest.mark.parametrize("name", WRITERS)
def test_a_box_outside_the_volume_is_refused(name: str, volumes: dict[str, Volume]) -> None:
    for outside in (Box((-1, 0, 0), (2, 2, 2)), Box((0, 0, 0), (7, 11, 14))):
        with pytest.raises(InputError, match=f"box {outside} is outside .* covers 0:7,0:11,0:13"):
            volumes[name].read(outside)


@pytest.mark.parametrize("name", WRITERS)
def test_identity_stays_until_a_file_changes(name: str, tmp_path: Path) -> None:
    uri = WRITERS[name](tmp_path, IMAGE)
    before = open_volume(uri).identity
    assert open_volume(uri).identity == before
    data_files = [p for p in tmp_path.rglob("*") if p.is_file() and p.name not in ("info", "provenance")]
    os.utime(max(data_files, key=lambda path: path.stat().st_size), (1, 1))
    assert open_volume(uri).identity != before


def test_voxel_size_comes_from_the_file_unless_given(tmp_path: Path, volumes: dict[str, Volume]) -> None:
    assert volumes["precomputed"].voxel_size_nm == (6, 5, 4)
    assert volumes["png"].voxel_size_nm is None
    uri = write_hdf5(tmp_path, IMAGE)
    with h5py.File(tmp_path / "v.h5", "a") as file:
        file["some/raw"].attrs["resolution"] = (40, 8, 4)
    assert open_volume(uri).voxel_size_nm == (40, 8, 4)
    assert open_volume(uri, voxel_size_nm=(1, 2, 3)).voxel_size_nm == (1, 2, 3)


def test_a_chunk_that_a_precomputed_volume_lacks_is_zero(tmp_path: Path) -> None:
    uri = write_precomputed(tmp_path, IMAGE)
    for chunk in (tmp_path / "precomputed").rglob("30-34_-20--16_10-14*"):
        chunk.unlink()
    expected = IMAGE.copy()
    expected[:4, :4, :4] = 0
    volume = open_volume(uri)
    np.testing.assert_array_equal(volume.read(volume.box), expected)


def test_file_uri_opens_a_precomputed_volume(tmp_path: Path) -> None:
    uri = write_precomputed(tmp_path, IMAGE).replace("precomputed://", "file://")
    np.testing.assert_array_equal(open_volume(uri).read(Box.of_shape(SHAPE)), IMAGE)


def test_big_endian_data_is_read_in_native_order(tmp_path: Path) -> None:
    volume = open_volume(write_hdf5(tmp_path, IMAGE.astype(">u2")))
    assert volume.read(volume.box).dtype == volume.dtype == np.dtype(np.uint16)


def test_neuroproof_supervoxels_are_read_as_bodies(tmp_path: Path) -> None:
    supervoxels = np.array([[[0, 3, 9], [70_000, 3, 5]]], np.int32)
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["stack"] = supervoxels
        file["transforms"] = np.array([[70_000, 2**40], [0, 0], [9, 4], [3, 4]], np.int64)
    volume = open_volume(f"{tmp_path / 'labels.h5'}:stack")
    # 5 has no row: it belongs to no body
    np.testing.assert_array_equal(volume.read(volume.box), [[[0, 4, 4], [2**40, 4, 0]]])


def test_fib25_labels_have_the_bodies_its_readme_counts(fib25: Path) -> None:
    labels = open_volume(f"{fib25 / 'groundtruth_z000_125.h5'}:stack")
    with h5py.File(fib25 / "groundtruth_z000_125.h5") as file:
        body_of = dict(file["transforms"][()].tolist())
        supervoxels = file["stack"][10:12]
    bodies = labels.read(labels.box)
    assert len(np.unique(bodies)) == 302  # it counts 0 too
    np.testing.assert_array_equal(bodies[10:12], np.vectorize(body_of.get)(supervoxels))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused_with_their_count(tmp_path: Path, value: float) -> None:
    array = np.zeros(SHAPE, np.float32)
    array[2, 3, 4:6] = value
    volume = open_volume(write_hdf5(tmp_path, array))
    volume.read(Box((3, 0, 0), SHAPE))
    with pytest.raises(InputError, match=r"some/raw has 2 voxels in box 0:7,0:11,0:13 that are NaN"):
        volume.read(volume.box)


def read_all(uri: str) -> None:
    volume = open_volume(uri)
    volume.read(volume.box)


def one_line_error(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        read_all(uri)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_hdf5_errors_name_the_file_and_what_is_wrong(tmp_path: Path) -> None:
    uri = write_hdf5(tmp_path, IMAGE)
    path = tmp_path / "v.h5"
    assert one_line_error(f"{path}:labels") == f"{path}: no dataset 'labels'; its datasets: some/raw"
    assert one_line_error(str(path)).endswith("FILE:DATASET; its datasets: some/raw")
    assert "no dataset 'some'" in one_line_error(f"{path}:some")
    assert one_line_error(f"{tmp_path / 'none.h5'}:raw") == f"{tmp_path / 'none.h5'}: no such file"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert f"{path} is not a readable HDF5 file" in one_line_error(uri)
    path.write_bytes(b"this is text")
    assert f"{path} is not a readable HDF5 file" in one_line_error(uri)


def test_a_damaged_hdf5_chunk_is_an_input_error(tmp_path: Path) -> None:
    uri = write_hdf5(tmp_path, IMAGE)
    with h5py.File(tmp_path / "v.h5") as file:
        chunk = file["some/raw"].id.get_chunk_info(0)
    with open(tmp_path / "v.h5", "r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(bytes(chunk.size))
    assert "not a readable HDF5 file" in one_line_error(uri)


@pytest.mark.parametrize(
    ("array", "wrong"),
    [
        (np.zeros((3, 4), np.uint8), r"has shape \(3, 4\); expected three dimensions"),
        (np.zeros((0, 3, 4), np.uint8), r"has shape \(0, 3, 4\)"),
        (np.zeros((2, 3, 4), np.complex64), "holds complex64; expected integers"),
        (np.zeros((2, 3, 4), np.float16), "holds float16; expected integers"),
    ],
)
def test_arrays_that_are_no_volumes_are_refused(tmp_path: Path, array: np.ndarray, wrong: str) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = array
    with pytest.raises(InputError, match=wrong):
        open_volume(f"{tmp_path / 'v.h5'}:raw")


def test_zarr_errors_name_the_store_and_its_arrays(tmp_path: Path) -> None:
    write_zarr_group(tmp_path, IMAGE)
    group = tmp_path / "group"
    assert one_line_error(f"zarr://{group}:labels").endswith("no array 'labels'; its arrays: raw")
    assert one_line_error(f"zarr://{group}").endswith("PATH:ARRAY; its arrays: raw")
    assert "no such Zarr folder" in one_line_error(str(tmp_path / "none.zarr"))
    (tmp_path / "empty.zarr").mkdir()
    assert "is not readable as Zarr" in one_line_error(str(tmp_path / "empty.zarr"))


def test_precomputed_errors_name_the_path(tmp_path: Path) -> None:
    assert "no precomputed volume there" in one_line_error(f"precomputed://{tmp_path / 'none'}")
    uri = write_precomputed(tmp_path, IMAGE)
    for chunk in (tmp_path / "precomputed").rglob("30-34_-20--16_10-14*"):
        chunk.write_bytes(b"torn")
    assert "cannot read box" in one_line_error(uri)
    (tmp_path / "precomputed" / "info").write_text("{}")
    assert "is not a precomputed volume" in one_line_error(uri)


def test_slice_errors_name_the_slice(tmp_path: Path) -> None:
    assert "holds no PNG or TIFF slices" in one_line_error(str(tmp_path))
    folder = Path(write_png(tmp_path, IMAGE))
    imsave(folder / "s7.png", np.zeros((5, 5), np.uint8), check_contrast=False)
    assert "s7.png is uint8 of shape (5, 5); expected uint8 of shape (11, 13)" in one_line_error(str(folder))
    imsave(folder / "s7.png", np.zeros((11, 13, 3), np.uint8), check_contrast=False)
    assert "s7.png has shape (11, 13, 3); expected one grey image" in one_line_error(str(folder))
    (folder / "s7.png").write_bytes(b"torn")
    assert "s7.png is not a readable image" in one_line_error(str(folder))


def test_an_unknown_scheme_is_refused() -> None:
    assert "unknown scheme 'ftp'" in one_line_error("ftp://somewhere/volume")
