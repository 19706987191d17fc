"""What is wrong with bad input is said in one line, whatever the format."""

from __future__ import annotations

import functools
from pathlib import Path

import h5py
import numpy as np
import pytest
import writers
from skimage.io import imsave
from writers import Place

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import open_volume

SHAPE = (7, 11, 13)
IMAGE = np.random.default_rng(1).integers(1, 256, SHAPE, dtype=np.uint8)

write_hdf5 = functools.partial(writers.write_hdf5, place=Place())
write_zarr_group = functools.partial(writers.write_zarr_group, place=Place())
write_precomputed = functools.partial(writers.write_precomputed, place=Place(origin=(10, -20, 30)))
write_png = functools.partial(writers.write_png, place=Place())


def test_big_endian_data_is_read_in_native_order(tmp_path: Path) -> None:
    volume = open_volume(write_hdf5(tmp_path, IMAGE.astype(">u2")))
    assert volume.read(volume.box).dtype == volume.dtype == np.dtype(np.uint16)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused_with_their_count(tmp_path: Path, value: float) -> None:
    array = np.zeros(SHAPE, np.float32)
    array[2, 3, 4:6] = value
    volume = open_volume(write_hdf5(tmp_path, array))
    volume.read(Box((3, 0, 0), SHAPE))
    with pytest.raises(InputError, match=r"some/raw has 2 voxels of NaN or infinity in box 0:7,0:11,0:13"):
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
    assert "some" in one_line_error(f"{path}:some")
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
    assert "v.h5 cannot be read, it may be damaged" in one_line_error(uri)


@pytest.mark.parametrize(
    ("array", "wrong"),
    [
        (np.zeros((3, 4), np.uint8), r"has shape \(3, 4\); expected three dimensions"),
        (np.zeros((0, 3, 4), np.uint8), r"has shape \(0, 3, 4\)"),
        (np.zeros((2, 3, 4), np.complex64), "holds complex64; expected integers"),
        (np.zeros((2, 3, 4), np.longdouble), "holds float128; expected integers"),
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
    assert one_line_error(f"zarr://{group}:labels").endswith(
        "no array 'labels'; its arrays: raw (7 x 11 x 13)"
    )
    assert one_line_error(f"zarr://{group}").endswith("PATH:ARRAY; its arrays: raw (7 x 11 x 13)")
    assert "no such Zarr folder" in one_line_error(str(tmp_path / "none.zarr"))
    (tmp_path / "empty.zarr").mkdir()
    assert "is not readable as Zarr" in one_line_error(str(tmp_path / "empty.zarr"))


def test_a_slash_where_a_colon_belongs_is_one_line_with_what_to_write(tmp_path: Path) -> None:
    write_hdf5(tmp_path, IMAGE)
    path = tmp_path / "v.h5"
    for uri in (f"{path}/some/raw", f"{path}/nothing"):
        inner = uri.removeprefix(f"{path}/")
        expected = f"{uri}: {path} is an HDF5 file; write FILE:DATASET, that is {path}:{inner}"
        assert one_line_error(uri) == expected
    (tmp_path / "v.tif").write_bytes(b"II*")
    assert one_line_error(f"{tmp_path}/v.tif/0").endswith("v.tif is a file; nothing lies below it")


def test_a_slash_below_zarr_and_n5_leads_to_arrays_and_lists_them_where_there_is_none(tmp_path: Path) -> None:
    write_zarr_group(tmp_path, IMAGE)
    group = (tmp_path / "group").rename(tmp_path / "v.zarr")
    np.testing.assert_array_equal(open_volume(f"{group}/raw").read(Box((0, 0, 0), SHAPE)), IMAGE)
    n5 = tmp_path / "v.n5"
    writers.write_n5_block_by_block(n5 / "a" / "raw", IMAGE, SHAPE, {})
    for scheme in ("", "zarr://"):
        listed = one_line_error(f"{scheme}{group}/a/b")
        assert listed == f"{group}: no array 'a/b'; its arrays: raw (7 x 11 x 13)"
    for scheme in ("", "n5://"):
        assert one_line_error(f"{scheme}{n5}/a/b").endswith("its datasets: a/raw (13 x 11 x 7)")


def test_precomputed_errors_name_the_path(tmp_path: Path) -> None:
    assert "no precomputed volume there" in one_line_error(f"precomputed://{tmp_path / 'none'}")
    uri = write_precomputed(tmp_path, IMAGE)
    for chunk in (tmp_path / "precomputed").rglob("30-34_-20--16_10-14*"):
        chunk.write_bytes(b"torn")
    assert "cannot read box" in one_line_error(uri)
    (tmp_path / "precomputed" / "info").write_text("{}")
    assert "is not a precomputed volume" in one_line_error(uri)


def test_slice_errors_name_the_slice(tmp_path: Path) -> None:
    assert "holds no slices" in one_line_error(str(tmp_path))
    folder = Path(write_png(tmp_path, IMAGE))
    imsave(folder / "s7.png", np.zeros((5, 5), np.uint8), check_contrast=False)
    assert "s7.png is uint8 of shape (5, 5); expected uint8 of shape (11, 13)" in one_line_error(str(folder))
    colours = np.random.default_rng(1).integers(0, 256, (11, 13, 3), dtype=np.uint8)
    imsave(folder / "s7.png", colours, check_contrast=False)
    assert "s7.png is in colour; expected grey values" in one_line_error(str(folder))
    (folder / "s7.png").write_bytes(b"torn")
    assert "s7.png is not a readable image" in one_line_error(str(folder))


def test_the_folder_of_a_run_is_told_with_its_volume_but_slices_beside_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "run" / "segmentation").mkdir(parents=True)
    (tmp_path / "run" / "segmentation" / "info").touch()
    assert f"name the one in it, {tmp_path}/run/segmentation" in one_line_error(f"{tmp_path}/run")
    imsave(tmp_path / "run" / "z0.png", IMAGE[0], check_contrast=False)
    assert open_volume(f"{tmp_path}/run").shape == (1, *IMAGE.shape[1:])


def test_an_unknown_scheme_is_refused() -> None:
    assert "unknown scheme 'ftp'" in one_line_error("ftp://somewhere/volume")
