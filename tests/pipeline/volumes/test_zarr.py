"""What Zarr stores say of where they lie is found, wherever it is said, and never guessed in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec

from pipeline.errors import InputError
from pipeline.volumes import Choice, open_volume
from pipeline.volumes.frame import corner

IMAGE = np.arange(1, 8 * 8 * 8 + 1, dtype=np.uint16).reshape(8, 8, 8)


def write_image(folder: Path, levels: dict[str, tuple[float, float]], unit: str | None = "nanometer") -> Path:
    """An OME-Zarr 0.4 image; of each level's path the scale and the translation, alike on all axes."""
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    datasets = []
    for path, (scale, translation) in levels.items():
        stored = group.create_array(path, shape=IMAGE.shape, dtype=IMAGE.dtype, chunks=(4, 4, 4))
        stored[...] = IMAGE
        steps: list[Any] = [{"type": "scale", "scale": [scale] * 3}]
        steps += [{"type": "translation", "translation": [translation] * 3}]
        datasets.append({"path": path, "coordinateTransformations": steps})
    axes = [{"name": n, "type": "space", **({"unit": unit} if unit else {})} for n in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return folder


@given(
    finest=st.integers(1, 100),
    factor=st.integers(1, 16),
    voxel=st.integers(-1000, 1000),
    is_mean=st.booleans(),
)
def test_a_level_begins_where_it_was_put_by_means_and_by_strides(
    finest: int, factor: int, voxel: int, is_mean: bool
) -> None:
    size = finest * factor
    translation = voxel * size + (np.mean(np.arange(factor)) * finest if is_mean else 0)
    assert corner(float(translation), size, finest) == voxel * size


@pytest.mark.parametrize("name", ["v.zarr:scale1/image", "v.zarr/scale1/image", "v.zarr:labels/cells/1"])
def test_a_level_opened_itself_lies_where_its_image_says(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "v.zarr", {"scale0/image": (4, 40), "scale1/image": (8, 42)})
    write_image(tmp_path / "v.zarr/labels/cells", {"0": (4, 40), "1": (8, 42)})
    volume = open_volume(str(tmp_path / name))
    assert volume.frame.origin == (5, 5, 5)
    assert volume.voxel_size_nm == (8, 8, 8)


def test_labels_of_an_image_are_opened_by_their_name(tmp_path: Path) -> None:
    write_image(tmp_path / "v.zarr", {"0": (4, 0)})
    write_image(tmp_path / "v.zarr/labels/cells", {"0": (8, 16)})
    volume = open_volume(f"{tmp_path / 'v.zarr'}:labels/cells")
    assert volume.frame.origin == (2, 2, 2)
    assert volume.voxel_size_nm == (8, 8, 8)


def test_what_places_a_level_is_part_of_its_identity(tmp_path: Path) -> None:
    uri = str(write_image(tmp_path / "v.zarr", {"scale0/image": (4, 40)}) / "scale0" / "image")
    before = open_volume(uri).stamp
    attributes = tmp_path / "v.zarr" / ".zattrs"
    attributes.write_text(attributes.read_text().replace("40", "80"))
    assert open_volume(uri).stamp != before


@pytest.mark.parametrize("unit", [None, "nanometer"])
def test_an_offset_that_is_no_whole_number_of_voxels_is_refused(tmp_path: Path, unit: str | None) -> None:
    path = str(write_image(tmp_path / "v.zarr", {"0": (4, 5)}, unit))
    with pytest.raises(InputError, match=r"\(1.25, 1.25, 1.25\) voxels .* no whole number: set data.origin"):
        open_volume(path)
    assert open_volume(path, Choice(origin=(1, 2, 3))).frame.origin == (1, 2, 3)


def test_the_only_image_of_a_group_is_opened_and_several_are_named(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "v.zarr"), mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    write_image(tmp_path / "v.zarr/0", {"0": (4, 0), "1": (8, 18)})
    volume = open_volume(str(tmp_path / "v.zarr"), Choice(level=1))
    assert (volume.uri, volume.frame.origin) == (f"{tmp_path / 'v.zarr'}:0", (2, 2, 2))
    write_image(tmp_path / "v.zarr/1", {"0": (4, 0)})
    with pytest.raises(InputError, match=r"its images: 0, 1; its arrays: 0/0 \(8 x 8 x 8\), 0/1 .*, 1/0"):
        open_volume(str(tmp_path / "v.zarr"))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("fill", "read_as"), [(0.0, 0.0), (7.0, 7.0), (np.nan, 0.0)])
def test_missing_chunks_are_read_whatever_the_fill_value(
    tmp_path: Path, zarr_format: Any, fill: float, read_as: float
) -> None:
    stored = zarr.create_array(
        str(tmp_path / "v.zarr"), shape=(8, 8, 8), dtype="f4", chunks=(4, 4, 4), zarr_format=zarr_format,
        fill_value=fill,
    )  # fmt: skip
    stored[:4] = 1
    stored.attrs.update(resolution=[4, 4, 4], offset=[8, -8, 4])
    volume = open_volume(str(tmp_path / "v.zarr"))
    assert volume.may_be_empty
    assert len(volume.missing(volume.box)) == 4
    expected = np.where(np.arange(8)[:, None, None] < 4, 1, read_as) * np.ones((8, 8, 8))
    np.testing.assert_array_equal(volume.read(volume.box), expected)
    inner = volume.box.__class__((5, -1, 2), (8, 3, 6))
    np.testing.assert_array_equal(volume.read(inner), expected[3:6, 1:5, 1:5])


def test_a_nan_that_is_stored_is_refused(tmp_path: Path) -> None:
    stored = zarr.create_array(
        str(tmp_path / "v.zarr"), shape=(8, 8, 8), dtype="f4", chunks=(4, 4, 4), fill_value=np.nan
    )
    stored[:4] = 1
    stored[0, 0, 0] = np.nan
    volume = open_volume(str(tmp_path / "v.zarr"))
    with pytest.raises(InputError, match=r"has 1 voxel of NaN"):
        volume.read(volume.box)


def test_archives_are_told_the_way_out(tmp_path: Path) -> None:
    write_image(tmp_path / "v.zarr", {"0": (4, 0)})
    shutil.make_archive(str(tmp_path / "v.zarr"), "zip", tmp_path / "v.zarr")
    with pytest.raises(InputError, match=r"expected a Zarr folder \(unpack an archive\)"):
        open_volume(f"{tmp_path / 'v.zarr.zip'}:0")


@pytest.mark.parametrize("paths", [("fine", "coarse"), ("coarse", "fine")])
def test_levels_count_from_the_finest_however_they_are_listed(tmp_path: Path, paths: tuple[str, str]) -> None:
    levels = {"fine": (4.0, 40.0), "coarse": (8.0, 42.0)}
    uri = str(write_image(tmp_path / "v.zarr", {path: levels[path] for path in paths}))
    finest, next_one = open_volume(uri), open_volume(uri, Choice(level=1))
    assert (finest.voxel_size_nm, finest.frame.origin) == ((4, 4, 4), (10, 10, 10))
    assert (next_one.voxel_size_nm, next_one.frame.origin) == ((8, 8, 8), (5, 5, 5))
    assert ("put in order" in finest.format) == (paths[0] == "coarse")


def test_the_first_of_several_multiscales_is_read_and_told_and_arrays_of_others_are_known(
    tmp_path: Path,
) -> None:
    folder = write_image(tmp_path / "v.zarr", {"a": (4, 40), "b": (8, 48)})
    group = zarr.open_group(str(folder), mode="r+")
    image: Any = group.attrs["multiscales"]
    first, second = image[0]["datasets"]
    group.attrs["multiscales"] = [{**image[0], "datasets": [first]}, {**image[0], "datasets": [second]}]
    volume = open_volume(str(folder))
    assert volume.voxel_size_nm == (4, 4, 4)
    assert "the first of 2 multiscales there" in volume.format
    assert open_volume(f"{folder}:b").voxel_size_nm == (8, 8, 8)


def transform(scale: float, translate: float, order: str | None = None) -> dict[str, Any]:
    """COSEM's, of a volume stored z, y, x; voxels are twice as long along z."""
    turn = -1 if order == "F" else 1
    said = {
        "axes": ["z", "y", "x"][::turn], "units": ["nm"] * 3,
        "scale": [2 * scale, scale, scale][::turn], "translate": [translate] * 3,
    }  # fmt: skip
    return {"transform": {**said, **({"order": order} if order else {})}}


@pytest.mark.parametrize("order", [None, "C", "F"])
@pytest.mark.parametrize("of", ["group", "arrays"])
def test_cosem_says_where_arrays_lie_by_a_transform(tmp_path: Path, of: str, order: str | None) -> None:
    group = zarr.open_group(str(tmp_path / "v.zarr"), mode="w", zarr_format=2)
    datasets = []
    for path, own in (("s0", transform(4, 40, order)), ("s1", transform(8, 80, order))):
        array = group.create_array(path, shape=IMAGE.shape, dtype=IMAGE.dtype, chunks=(4, 4, 4))
        array[...] = IMAGE
        datasets.append({"path": path, **own})
        if of == "arrays":
            array.attrs.update(own)
    if of == "group":
        group.attrs["multiscales"] = [{"name": "em", "datasets": datasets}]
        by_level = open_volume(str(tmp_path / "v.zarr"), Choice(level=1))
        assert "Zarr with COSEM's transform, level s1 of 2" in by_level.format
        assert (by_level.voxel_size_nm, by_level.frame.origin) == ((16, 8, 8), (5, 10, 10))
    alone = open_volume(str(tmp_path / "v.zarr/s1"))
    assert (alone.voxel_size_nm, alone.frame.origin) == ((16, 8, 8), (5, 10, 10))
    np.testing.assert_array_equal(alone.read(alone.box)[0], IMAGE[0])


def test_what_an_array_says_of_itself_otherwise_goes_before_a_transform(tmp_path: Path) -> None:
    """As where a program has copied the attributes of what it read, and written its own."""
    array = zarr.create_array(str(tmp_path / "v.zarr"), shape=(8, 8, 8), dtype="u1", zarr_format=2)
    array.attrs.update({**transform(4, 40), "resolution": [30, 6, 6], "offset": [60, 6, 0]})
    volume = open_volume(str(tmp_path / "v.zarr"))
    assert (volume.voxel_size_nm, volume.frame.origin) == ((30, 6, 6), (2, 1, 0))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"scale": [4, 4]}, "multiscales cannot be understood"), ({"units": None}, "cannot be understood")],
)
def test_a_transform_that_makes_no_sense_is_one_line(tmp_path: Path, wrong: Any, said: str) -> None:
    array = zarr.create_array(str(tmp_path / "v.zarr"), shape=(8, 8, 8), dtype="u1", zarr_format=2)
    array.attrs["transform"] = {**transform(4, 40)["transform"], **wrong}
    with pytest.raises(InputError, match=said):
        open_volume(str(tmp_path / "v.zarr"))


def test_an_array_described_in_both_formats_is_that_of_the_newer_with_its_chunks(tmp_path: Path) -> None:
    formats: list[tuple[Any, np.ndarray]] = [(2, IMAGE), (3, IMAGE[::-1])]
    for zarr_format, values in formats:
        stored = zarr.create_array(
            str(tmp_path / f"{zarr_format}.zarr"), shape=IMAGE.shape, dtype=IMAGE.dtype, chunks=(4, 4, 4),
            zarr_format=zarr_format,
        )  # fmt: skip
        stored[...] = values
    both = tmp_path / "3.zarr"
    shutil.copytree(tmp_path / "2.zarr", both, dirs_exist_ok=True)
    volume = open_volume(str(both))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE[::-1])
    assert volume.missing(volume.box) == []
    (both / "c" / "0" / "1" / "1").unlink()
    assert [str(box) for box in volume.missing(volume.box)] == ["0:4,4:8,4:8"]


def test_chunks_in_folders_of_which_the_metadata_do_not_say_so_are_one_line(tmp_path: Path) -> None:
    """As the library's NestedDirectoryStore wrote them before there was a word for it."""
    stored = zarr.create_array(
        str(tmp_path / "v.zarr"), shape=IMAGE.shape, dtype=IMAGE.dtype, chunks=(4, 4, 4), zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )  # fmt: skip
    stored[...] = IMAGE
    described = tmp_path / "v.zarr" / ".zarray"
    said = json.loads(described.read_text())
    del said["dimension_separator"]
    described.write_text(json.dumps(said))
    with pytest.raises(InputError, match='put "dimension_separator": "/" into it'):
        open_volume(str(tmp_path / "v.zarr"))
    described.write_text(json.dumps({**said, "dimension_separator": "/"}))
    volume = open_volume(str(tmp_path / "v.zarr"))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_of_blosc_that_was_cut_off_is_no_voxels(tmp_path: Path, zarr_format: Any) -> None:
    """Of which the library reads on in memory, behind the chunk's end."""
    packed = numcodecs.Blosc() if zarr_format == 2 else BloscCodec()
    stored = zarr.create_array(
        str(tmp_path / "v.zarr"), shape=(4, 4, 8), dtype="u1", chunks=(4, 4, 8), zarr_format=zarr_format,
        compressors=packed,
    )  # fmt: skip
    stored[...] = np.random.default_rng(0).integers(0, 256, (4, 4, 8))
    (chunk,) = (path for path in (tmp_path / "v.zarr").rglob("*0") if path.is_file())
    whole = chunk.read_bytes()
    for lacking in (1, len(whole) // 2, len(whole) - 3):
        chunk.write_bytes(whole[:-lacking])
        volume = open_volume(str(tmp_path / "v.zarr"))
        with pytest.raises(
            InputError, match=r"cannot read box 0:4,0:4,0:8: a chunk of Blosc has .* bytes of"
        ):
            volume.read(volume.box)
