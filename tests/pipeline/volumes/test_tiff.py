"""TIFF files of many pages: what ImageJ and OME say of them, and that no page is left out without a word."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import Choice, Volume, VoxelSize, open_volume
from pipeline.volumes.labels import LabelVolume
from pipeline.volumes.slice_image import read_slice

GREY = np.random.default_rng(1).integers(1, 256, (4, 9, 11), dtype=np.uint8)
COUNTED = np.arange(2 * 4 * 9 * 11, dtype=np.uint16).reshape(1, 4, 2, 9, 11)
"""t, z, c, y, x."""


def written(folder: Path, array: np.ndarray, **how: Any) -> str:
    tifffile.imwrite(folder / "v.tif", array, **({"photometric": "minisblack"} | how))
    return str(folder / "v.tif")


def error_of(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        open_volume(uri)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read(volume: Volume) -> np.ndarray:
    return volume.read(volume.box)


@pytest.mark.parametrize(
    ("metadata", "size_nm"),
    [
        ({"spacing": 0.04, "unit": "um"}, (40.0, 5.0, 4.0)),
        ({"spacing": 0.04, "unit": "micron"}, (40.0, 5.0, 4.0)),
        ({"unit": "um"}, None),  # y and x alone are no voxel size
        ({"spacing": 0.04, "unit": "pixel"}, None),
        ({"spacing": 0.00004, "unit": "um", "zunit": "mm"}, (40.0, 5.0, 4.0)),
        ({"spacing": 0.04, "unit": "um", "yunit": "nm"}, (40.0, 0.005, 4.0)),
        ({"spacing": 40, "unit": "um", "zunit": "pixel"}, None),
        ({"spacing": 0.0, "unit": "um"}, None),
        ({"spacing": -0.04, "unit": "um"}, None),
    ],
)
def test_imagej_says_the_voxel_size_or_nothing(
    tmp_path: Path, metadata: dict[str, Any], size_nm: VoxelSize | None
) -> None:
    uri = written(tmp_path, GREY, imagej=True, resolution=(250, 200), metadata={"axes": "ZYX"} | metadata)
    volume = open_volume(uri)
    np.testing.assert_array_equal(read(volume), GREY)
    assert volume.voxel_size_nm == (size_nm and pytest.approx(size_nm))


@pytest.mark.parametrize(
    ("metadata", "size_nm"),
    [
        ({"PhysicalSizeZ": 0.04, "PhysicalSizeY": 0.005, "PhysicalSizeX": 0.004}, (40.0, 5.0, 4.0)),
        ({"PhysicalSizeY": 0.005, "PhysicalSizeX": 0.004}, None),
        ({"PhysicalSizeZ": "thin", "PhysicalSizeY": 0.005, "PhysicalSizeX": 0.004}, None),
        ({"PhysicalSizeZ": -1, "PhysicalSizeY": 0.005, "PhysicalSizeX": 0.004}, None),
    ],
)
def test_ome_says_the_voxel_size_or_nothing(
    tmp_path: Path, metadata: dict[str, Any], size_nm: VoxelSize | None
) -> None:
    volume = open_volume(written(tmp_path, GREY, ome=True, metadata={"axes": "ZYX"} | metadata))
    np.testing.assert_array_equal(read(volume), GREY)
    assert volume.voxel_size_nm == (size_nm and pytest.approx(size_nm))


@pytest.mark.parametrize("suffix", [".btf", ".TIFF"])
def test_tiff_is_known_by_all_its_suffixes(tmp_path: Path, suffix: str) -> None:
    path, folder = tmp_path / f"stack{suffix}", tmp_path / "slices"
    tifffile.imwrite(path, GREY, bigtiff=True, photometric="minisblack")
    np.testing.assert_array_equal(read(open_volume(str(path))), GREY)
    folder.mkdir()
    for z, plane in enumerate(GREY):
        tifffile.imwrite(folder / f"z{z}{suffix}", plane, bigtiff=True)
    np.testing.assert_array_equal(read(open_volume(str(folder))), GREY)


def test_resolution_alone_is_no_voxel_size(tmp_path: Path) -> None:
    uri = written(tmp_path, GREY, resolution=(2500, 2500), resolutionunit="centimeter")
    assert open_volume(uri).voxel_size_nm is None
    assert open_volume(uri, Choice(voxel_size_nm=(40, 4, 4))).voxel_size_nm == (40, 4, 4)


@pytest.mark.parametrize("how", [{"imagej": True}, {"ome": True}])
def test_one_channel_of_a_hyperstack_is_read(tmp_path: Path, how: dict[str, Any]) -> None:
    order = "TZCYX" if "imagej" in how else "TCZYX"
    stored = COUNTED.transpose(["TZCYX".index(axis) for axis in order])
    uri = written(tmp_path, stored, metadata={"axes": order}, **how)
    assert "has 2 channels; set data.channel" in error_of(uri)
    np.testing.assert_array_equal(read(open_volume(uri, Choice(channel=1))), COUNTED[0, :, 1])


def test_colour_is_read_by_the_channel_that_is_chosen(tmp_path: Path) -> None:
    colours = np.stack([GREY, GREY // 2, GREY // 3], axis=-1)
    uri = written(tmp_path, colours, photometric="rgb")
    assert "has 3 channels" in error_of(uri)
    np.testing.assert_array_equal(read(open_volume(uri, Choice(channel=2))), colours[..., 2])


def test_ids_that_are_colours_are_not_taken_for_channels(tmp_path: Path) -> None:
    """In no channel are they whole: 256 ids have the same blue."""
    uri = written(tmp_path, np.stack([GREY, GREY // 2, GREY // 3], axis=-1), photometric="rgb")
    for choice in (Choice(role="labels_"), Choice(option="truth", lacks=("channel",))):
        with pytest.raises(InputError, match=r"if ids are colours there, save them as numbers.*; else"):
            open_volume(uri, choice)
    with pytest.raises(InputError, match=r"has 3 channels; set data\.channel to one of 0 to 2$"):
        open_volume(uri)


def test_colour_that_is_stored_plane_by_plane_is_no_volume_of_three_sections(tmp_path: Path) -> None:
    uri = written(tmp_path, GREY[:3], photometric="rgb", planarconfig="separate")
    assert "has 3 channels" in error_of(uri)
    np.testing.assert_array_equal(read(open_volume(uri, Choice(channel=2))), GREY[2:3])


def test_a_box_decodes_no_more_than_the_pages_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = written(tmp_path, GREY, compression="zlib", metadata=None)
    volume = open_volume(uri)
    with tifffile.TiffFile(uri) as file:
        starts = [page.dataoffsets[0] for page in file.pages]
        ends = [start + page.databytecounts[0] for start, page in zip(starts, file.pages)]
    damaged = bytearray(Path(uri).read_bytes())
    for z in (0, 3):
        damaged[starts[z] : ends[z]] = bytes(ends[z] - starts[z])
    Path(uri).write_bytes(damaged)
    np.testing.assert_array_equal(volume.read(Box((1, 2, 3), (3, 9, 7))), GREY[1:3, 2:9, 3:7])
    with pytest.raises(InputError, match="cannot read box 0:1"):
        volume.read(Box((0, 0, 0), (1, 9, 11)))


def test_pages_of_another_shape_are_not_left_out(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "v.tif") as file:
        for z, image in enumerate(GREY):
            file.write(image[:5] if z == 2 else image, metadata=None, photometric="minisblack")
    assert "holds 2 images, of shapes (3, 9, 11), (5, 11)" in error_of(str(tmp_path / "v.tif"))


def test_a_thumbnail_is_no_image_of_its_own(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "v.tif") as file:
        file.write(GREY, photometric="minisblack")
        file.write(GREY[0, ::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read(open_volume(str(tmp_path / "v.tif"))), GREY)


WAYS: dict[str, dict[str, Any]] = {
    "plain": {"metadata": None},
    "plain bigtiff": {"metadata": None, "bigtiff": True},
    "shaped": {},
    "imagej": {"imagej": True},
    "ome": {"ome": True},
    "lzw": {"compression": "lzw"},
    "ome zlib": {"ome": True, "compression": "zlib"},
}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(share=st.floats(0, 1))
def test_a_file_cut_off_anywhere_is_refused_or_whole(way: str, share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(written(Path(folder), GREY, **WAYS[way]))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        try:
            found = read(open_volume(str(path)))
        except InputError:
            return
    np.testing.assert_array_equal(found, GREY)


def test_pages_that_are_not_there_any_more_are_told(tmp_path: Path) -> None:
    path = Path(written(tmp_path, GREY, metadata=None, compression="zlib"))
    with tifffile.TiffFile(path) as file:
        last = file.pages[3].offset
    path.write_bytes(path.read_bytes()[:last])
    assert "is cut off after 3 pages" in error_of(str(path))


def test_what_is_no_tiff_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "v.tif").write_bytes(b"no image")
    assert "is not a readable TIFF" in error_of(str(tmp_path / "v.tif"))
    assert "no such file" in error_of(str(tmp_path / "none.tif"))


def test_levels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no levels; data\.mip must be 0"):
        open_volume(written(tmp_path, GREY), Choice(level=2))


def test_what_is_packed_as_jpeg_is_no_labels(tmp_path: Path) -> None:
    tiled = GREY.repeat(2, 1).repeat(2, 2)
    volume = open_volume(written(tmp_path, tiled, compression="jpeg"))
    with pytest.raises(InputError, match="is stored as JPEG, which changes ids"):
        LabelVolume(volume)
    assert not open_volume(written(tmp_path, tiled, compression="zlib")).lossy
    (tmp_path / "slices").mkdir()
    for z in range(2):
        tifffile.imwrite(tmp_path / f"slices/z{z}.tif", tiled[z], compression="jpeg")
    with pytest.raises(InputError, match="is stored as JPEG, which changes ids"):
        LabelVolume(open_volume(str(tmp_path / "slices")))


@pytest.mark.parametrize("planes", [4, 1])
def test_tiles_that_were_left_out_are_not_taken_for_black(tmp_path: Path, planes: int) -> None:
    """As GDAL does with blank ones, and as a writer leaves it that was stopped."""
    image = GREY.repeat(4, 1).repeat(4, 2)[:planes]
    uri = written(tmp_path, image, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(uri, mode="r+") as file:
        last = file.pages[planes - 1]
        assert isinstance(last, tifffile.TiffPage)
        for name in ("TileByteCounts", "TileOffsets"):
            tag = last.tags[name]
            tag.overwrite([*tag.value[:3], 0, *tag.value[4:]])
    if planes == 1:
        with pytest.raises(InputError, match="has no data for 1 of its 9 strips or tiles"):
            read_slice(Path(uri))
        return
    volume = open_volume(uri)
    with pytest.raises(InputError, match="page 3 has no data for 1 of its 9 strips or tiles: save it"):
        read(volume)
    before = Box((0, 0, 0), (3, 36, 44))
    np.testing.assert_array_equal(volume.read(before), image[:3])


@pytest.mark.parametrize("how", [{}, {"imagej": True}, {"metadata": {"axes": "YX"}, "ome": True}])
def test_a_plane_alone_is_a_volume_of_one_section(tmp_path: Path, how: dict[str, Any]) -> None:
    volume = open_volume(written(tmp_path, GREY[0], **how))
    assert volume.shape == (1, 9, 11)
    np.testing.assert_array_equal(read(volume), GREY[:1])
    np.testing.assert_array_equal(volume.read(Box((0, 2, 3), (1, 5, 9))), GREY[:1, 2:5, 3:9])


def test_a_plane_alone_of_channels_is_that_of_the_one_chosen(tmp_path: Path) -> None:
    uri = written(tmp_path, GREY[:3].transpose(1, 2, 0), photometric="rgb")
    volume = open_volume(uri, Choice(channel=1))
    np.testing.assert_array_equal(read(volume), GREY[1:2])


@pytest.mark.parametrize("as_slices", [False, True])
def test_what_imagej_shows_in_other_colours_or_contrast_is_as_it_is_there(
    tmp_path: Path, as_slices: bool
) -> None:
    """Labels in Glasbey's colours, or shown from 0 to 40, have a palette: ids above that would be one."""
    contrast = np.minimum(np.arange(256) * 65535 // 40, 65535).astype(np.uint16)
    glasbey = np.random.default_rng(3).integers(0, 2**16, (3, 256), dtype=np.uint16)
    for name, colours in (("contrast", np.stack([contrast] * 3)), ("glasbey", glasbey)):
        folder = tmp_path / name
        folder.mkdir()
        for z, page in enumerate(GREY) if as_slices else [(0, GREY)]:
            described = f"ImageJ=1.54f\nimages={1 if as_slices else len(GREY)}\n"
            how: dict[str, Any] = {"photometric": "palette", "colormap": colours, "metadata": None}
            tifffile.imwrite(folder / f"z{z}.tif", page, description=described, **how)
        volume = open_volume(str(folder))
        assert volume.dtype == np.uint8
        np.testing.assert_array_equal(read(volume), GREY)


def test_what_imagej_shows_inverted_is_read_as_it_is_shown(tmp_path: Path) -> None:
    inverted = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * 257, (3, 1))
    tifffile.imwrite(
        tmp_path / "z1.tif", GREY[0], photometric="palette", colormap=inverted, description="ImageJ=1.54f\n"
    )
    np.testing.assert_array_equal(read_slice(tmp_path / "z1.tif"), 255 - GREY[0])
