"""The suite that every format passes: the voxels that were written, at the coordinates where they lie."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writers import FORMATS, Place

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.volumes import Choice, Volume, open_volume
from pipeline.volumes.frame import same_size
from pipeline.volumes.labels import LabelVolume
from tests.denied import denied

SHAPE = (7, 11, 13)
IMAGE = np.random.default_rng(1).integers(1, 256, SHAPE, dtype=np.uint8)

places = st.builds(
    Place,
    origin=st.tuples(*[st.integers(-5000, 5000)] * 3),
    voxel_size_nm=st.tuples(*[st.integers(1, 200).map(float)] * 3),
    chunk=st.tuples(*[st.integers(1, 8)] * 3),
)


def opened(name: str, folder: Path, array: np.ndarray, place: Place) -> Volume:
    """The volume written and opened; what the format cannot say is said as a run file would."""
    chosen = FORMATS[name]
    choice = Choice(
        origin=None if chosen.says_origin else place.origin,
        voxel_size_nm=None if chosen.says_size else place.voxel_size_nm,
    )
    return open_volume(chosen.write(folder, array, place), choice)


def data_files(folder: Path) -> list[Path]:
    """The files below `folder` that hold voxels, by name."""
    described = (".z", "zarr.json", "attributes.json", "info", "provenance")
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(described))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    (z0, z1), (y0, y1), (x0, x1) = (
        sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE
    )
    return Box((z0, y0, x0), (z1, y1, x1))


@pytest.mark.parametrize("name", FORMATS)
@given(place=places, box=boxes(), data=st.data())
@settings(max_examples=12, deadline=None)
def test_voxels_lie_where_they_were_written(name: str, place: Place, box: Box, data: st.DataObject) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(FORMATS[name].dtypes.split())))
    array = IMAGE.astype(dtype) * np.asarray(3, dtype)
    with tempfile.TemporaryDirectory() as folder:
        volume = opened(name, Path(folder), array, place)
        assert volume.box == Box.of_shape(SHAPE, place.origin)
        assert volume.dtype == dtype
        assert volume.voxel_size_nm is not None
        assert same_size(volume.voxel_size_nm, place.voxel_size_nm)
        read = volume.read(box.translate(place.origin))
        assert read.dtype == dtype
        assert read.flags.writeable
        np.testing.assert_array_equal(read, array[box.slices()])
        if dtype.kind == "u":  # as labels they lie at the same place
            labels = LabelVolume(volume)
            assert labels.box == volume.box
            largest = int(np.iinfo(dtype).max)
            reserved = np.array([largest - i for i in range(4 if dtype.itemsize >= 4 else 1)], dtype)
            expected = np.where(np.isin(array, reserved), 0, array)[box.slices()]
            np.testing.assert_array_equal(labels.read(box.translate(place.origin)), expected)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_whole_misses_nothing_and_every_chunk_covers_its_voxels(name: str, tmp_path: Path) -> None:
    place = Place(origin=(10, -20, 30))
    volume = opened(name, tmp_path, IMAGE, place)
    assert volume.missing(volume.box) == []
    chunks = volume.chunks(volume.box)
    assert len(chunks) == volume.count_chunks(volume.box)
    covered = np.zeros(SHAPE, int)
    for chunk in chunks:
        covered[chunk.slices(place.origin)] += 1
    assert np.unique(covered).tolist() == ([1] if chunks else [0])


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_removed_is_missing_and_reads_as_zero(name: str, tmp_path: Path) -> None:
    volume = opened(name, tmp_path, IMAGE, Place(origin=(10, -20, 30)))
    data = data_files(tmp_path)
    if len(data) < 2:
        pytest.skip("this format keeps all voxels in one file")
    before = volume.read(volume.box)
    data[len(data) // 2].unlink()
    again = open_volume(volume.uri, Choice(origin=volume.frame.origin))
    missing = again.missing(again.box)
    assert len(missing) == 1
    before[missing[0].slices(volume.frame.origin)] = 0
    np.testing.assert_array_equal(again.read(again.box), before)


@pytest.mark.parametrize("name", FORMATS)
def test_what_cannot_be_read_is_neither_missing_nor_black(name: str, public_folder: Path) -> None:
    volume = opened(name, public_folder, IMAGE, Place(origin=(10, -20, 30)))
    data = data_files(public_folder)
    for folder in (path for path in public_folder.rglob("*") if path.is_dir()):
        folder.chmod(0o755)
    hidden = [data[len(data) // 2]]
    if len(data) > 1 and hidden[0].parent != Path(volume.uri):
        hidden.append(hidden[0].parent)
    for path in hidden:
        again = open_volume(volume.uri, Choice(origin=volume.frame.origin))
        with denied(path):
            with pytest.raises(InputError):
                again.read(again.box)
            with suppress(InputError):
                assert again.missing(again.box) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_box_outside_the_volume_is_refused(name: str, tmp_path: Path) -> None:
    volume = opened(name, tmp_path, IMAGE, Place())
    for outside in (Box((-1, 0, 0), (2, 2, 2)), Box((0, 0, 0), (7, 11, 14))):
        with pytest.raises(InputError, match=f"box {outside} is outside .* covers 0:7,0:11,0:13"):
            volume.read(outside)


@pytest.mark.parametrize("name", FORMATS)
def test_identity_stays_until_a_file_changes(name: str, tmp_path: Path) -> None:
    uri = FORMATS[name].write(tmp_path, IMAGE, Place())
    before = open_volume(uri).stamp
    assert open_volume(uri).stamp == before
    os.utime(data_files(tmp_path)[0], (1, 1))
    assert open_volume(uri).stamp != before


@given(shape=st.tuples(*[st.integers(1, 40)] * 3), most=st.integers(1, 50))
def test_blocks_that_are_sampled_are_some_of_all(shape: Triple, most: int) -> None:
    box = Box((-7, 3, 11), (90, 60, 50))
    every, some = box.blocks(shape), box.spread_blocks(shape, most)
    assert box.count_blocks(shape) == len(every)
    assert len(some) == min(most, len(every))
    assert set(some) <= set(every)
    assert sum(block.size for block in every) == box.size


def test_sampling_a_vast_box_makes_no_other_blocks() -> None:
    vast = Box((0, 0, 0), triple([10**6] * 3))
    assert len(vast.spread_blocks((64, 64, 64), 10)) == 10


@pytest.mark.parametrize("name", ["hdf5", "zarr 2", "zarr 3", "zarr group", "n5"])
def test_axes_that_the_run_file_names_are_those_of_the_file_s_numbers_too(name: str, tmp_path: Path) -> None:
    """An array stored as x, y, z by somebody who named no axes: its numbers stand in that order."""
    stored = IMAGE.transpose(2, 1, 0)
    # as the writers see it, the first axis is called z
    place = Place(origin=(30, 20, 10), voxel_size_nm=(4.0, 5.0, 40.0))
    # N5 names its dimensions in the other order than NumPy
    axes = "zyx" if name == "n5" else "xyz"
    volume = open_volume(FORMATS[name].write(tmp_path, stored, place), Choice(axes=axes))
    assert volume.voxel_size_nm == (40.0, 5.0, 4.0)
    assert volume.box == Box.of_shape(SHAPE, (10, 20, 30))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
