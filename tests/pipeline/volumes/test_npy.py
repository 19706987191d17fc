"""NumPy files: any order and type of numbers; what is no one array of numbers is one line."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import Choice, open_volume

SHAPE = (5, 6, 7)
GREY = np.random.default_rng(1).integers(0, 100, SHAPE).astype(np.uint8)
DTYPES = ["?", "i1", "u1", ">i2", "<u4", ">u8", "<i8", "<f2", ">f4", "f8"]


@given(
    order=st.sampled_from(["".join(axes) for axes in itertools.permutations("zyx")]),
    fortran=st.booleans(),
    dtype=st.sampled_from(DTYPES),
    corner=st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6)),
    origin=st.tuples(*[st.integers(-1000, 1000)] * 3),
)
def test_axes_are_turned_to_z_y_x_whatever_the_order_in_memory(
    order: str, fortran: bool, dtype: str, corner: tuple[int, int, int], origin: tuple[int, int, int]
) -> None:
    array = GREY.astype(dtype)
    stored = array.transpose(["zyx".index(axis) for axis in order])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.npy"
        np.save(path, np.asfortranarray(stored) if fortran else np.ascontiguousarray(stored))
        volume = open_volume(str(path), Choice(axes=order, origin=origin, voxel_size_nm=(9.0, 8.0, 7.0)))
        assert volume.box == Box.of_shape(SHAPE, origin)
        assert volume.voxel_size_nm == (9.0, 8.0, 7.0)
        box = Box(corner, SHAPE)
        read = volume.read(box.translate(origin))
    assert read.dtype == volume.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(read, array[box.slices()])


def test_a_channel_is_chosen(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.stack([GREY, GREY + 1]))
    volume = open_volume(str(tmp_path / "v.npy"), Choice(axes="czyx", channel=1))
    np.testing.assert_array_equal(volume.read(volume.box), GREY + 1)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (GREY.astype(object), "is not a readable NumPy array"),
        (GREY[:0], "none empty"),
        (np.array(3), r"has shape \(\)"),
        (GREY.astype(complex), "holds complex128"),
        (np.zeros((2, 2, 2), [("a", "i4")]), "expected integers or floating-point numbers"),
    ],
)
def test_what_is_no_volume_of_numbers_is_refused(tmp_path: Path, array: np.ndarray, said: str) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(InputError, match=said):
        open_volume(str(tmp_path / "v.npy"))


def test_a_file_that_is_cut_off_or_not_there_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", GREY)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-1])
    np.savez(tmp_path / "v.npz", GREY)
    (tmp_path / "v.npz").rename(tmp_path / "several.npy")
    unreadable = "is not a readable NumPy array"
    for name, said in (("cut.npy", unreadable), ("several.npy", unreadable), ("none.npy", "no such file")):
        with pytest.raises(InputError, match=said):
            open_volume(str(tmp_path / name))


def test_levels_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", GREY)
    with pytest.raises(InputError, match=r"has no levels; data\.labels_mip must be 0"):
        open_volume(str(tmp_path / "v.npy"), Choice(level=1, role="labels_"))
