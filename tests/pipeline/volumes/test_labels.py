"""Ids that mean "not labelled" are read as 0, exactly, whatever integer type they are stored in."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from skimage.io import imsave

from pipeline.errors import InputError
from pipeline.volumes import open_volume
from pipeline.volumes.labels import LabelVolume, unlabelled_ids

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")


def labels_of(path: Path, ids: np.ndarray, ignored: tuple[int, ...] = ()) -> LabelVolume:
    with h5py.File(path / "v.h5", "w") as file:
        file["ids"] = ids.reshape(1, 1, -1)
    return LabelVolume(open_volume(f"{path / 'v.h5'}:ids"), ignored)


def read(labels: LabelVolume) -> list[int]:
    return labels.read(labels.box).reshape(-1).tolist()


def test_cremi_s_reserved_ids_are_unlabelled(tmp_path: Path) -> None:
    ids = np.array([0, 1, 2**53 + 1, 2**64 - 5, 2**64 - 4, 2**64 - 3, 2**64 - 2, 2**64 - 1], np.uint64)
    assert read(labels_of(tmp_path, ids)) == [0, 1, 2**53 + 1, 2**64 - 5, 0, 0, 0, 0]


def test_negative_ids_are_unlabelled(tmp_path: Path) -> None:
    assert read(labels_of(tmp_path, np.array([-1, -7, 0, 3], np.int64))) == [0, 0, 0, 3]


def test_configured_ids_are_unlabelled_where_the_dtype_can_hold_them(tmp_path: Path) -> None:
    ids = np.array([1, 7, 200, 255], np.uint8)
    assert read(labels_of(tmp_path, ids, ignored=(7, 1000, -1))) == [1, 0, 200, 0]


def test_floats_are_no_ids(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"v\.h5:ids holds float32; expected integer ids"):
        labels_of(tmp_path, np.ones(3, np.float32))


@given(st.sampled_from(DTYPES), st.data())
def test_every_other_id_stays_what_it_is(dtype: str, data: st.DataObject) -> None:
    info = np.iinfo(dtype)
    ids = data.draw(st.lists(st.integers(int(info.min), int(info.max)), max_size=20))
    ignored = data.draw(st.lists(st.integers(-10, 2**65), max_size=3))
    reserved = {info.max - i for i in range(4 if np.dtype(dtype).itemsize >= 4 else 1)}
    expected = {i for i in (*ids, info.max) if i > 0 and (i in reserved or i in ignored)}
    found = set(unlabelled_ids(np.dtype(dtype), ignored).tolist())
    assert {i for i in (*ids, info.max) if i > 0 and i in found} == expected


def test_what_is_ignored_is_told_from_ground(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, np.array([0, 3, -1, 9, 2**63 - 1], np.int64), ignored=(9,))
    assert labels.ignored(labels.box).reshape(-1).tolist() == [False, False, True, True, True]
    labels = labels_of(tmp_path, np.array([0, 3, -1, 9, 2**63 - 1], np.int64), ignored=(0,))
    assert labels.ignored(labels.box).reshape(-1).tolist() == [True, False, True, False, True]


def test_what_is_missing_of_labels_is_unknown_and_no_ground(tmp_path: Path) -> None:
    (tmp_path / "slices").mkdir()
    for z in (0, 1, 4):
        imsave(tmp_path / "slices" / f"z{z}.png", np.full((8, 9), z % 2, np.uint16), check_contrast=False)
    labels = LabelVolume(open_volume(str(tmp_path / "slices")))
    assert labels.ignored(labels.box).all(axis=(1, 2)).tolist() == [False, False, True, True, False]
    assert labels.read(labels.box).max(axis=(1, 2)).tolist() == [0, 1, 0, 0, 0]


def test_chunks_of_zeros_that_a_format_does_not_store_are_ground(tmp_path: Path) -> None:
    stored = zarr.create_array(str(tmp_path / "v.zarr"), shape=(4, 4, 4), chunks=(2, 4, 4), dtype="u2")
    stored[:2] = 3
    labels = LabelVolume(open_volume(str(tmp_path / "v.zarr")))
    assert labels.missing(labels.box)
    assert not labels.ignored(labels.box).any()
