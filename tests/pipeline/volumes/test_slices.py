"""Slices as people have them: order, gaps and strangers, and every way to store grey."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import InputError
from pipeline.volumes import open_volume
from pipeline.volumes.labels import LabelVolume
from pipeline.volumes.slice_image import read_slice, slice_header
from pipeline.volumes.slice_names import slices_by_z
from pipeline.volumes.tiff_file import ORIENTATION

GREY = np.random.default_rng(1).integers(1, 256, (4, 9, 11), dtype=np.uint8)


def names(folder: Path, *written: str) -> str:
    for i, name in enumerate(written):
        Image.fromarray(GREY[i % 4]).save(folder / name, format="PNG")
    return str(folder)


def read_all(uri: str) -> None:
    volume = open_volume(uri)
    volume.read(volume.box)


def error_of(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        read_all(uri)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("step", [1, 10])
def test_numbers_left_out_are_missing_slices(tmp_path: Path, step: int) -> None:
    volume = open_volume(names(tmp_path, *(f"s_{z * step}.png" for z in (3, 4, 6, 7))))
    assert volume.shape == (5, 9, 11)
    assert [str(box) for box in volume.missing(volume.box)] == ["2:3,0:9,0:11"]
    assert not volume.read(volume.box)[2].any()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            ["z1.png", "z2.png", "z3.png", "projection_max.png"],
            "1 of 4 files are not named as the others, z*.png",
        ),
        (["z1.png", "z2.png", "z02.png"], "have the same number"),
        (["a1_b1.png", "a2_b2.png"], "more than one number in the names"),
        (["z1.png", "z3.png", "z5.png", "z6.png"], "slices go up by 2, but z5.png is followed by z6.png"),
        (["a.txt"], "holds no slices"),
        (["a.yaml", "b.yaml", "notes1.txt", "notes2.txt"], "holds no slices"),
        (["run1.yaml", "run2.yaml", "em.png"], "2 of 3 files are not named as the others, em.png: run1.yaml"),
    ],
)
def test_names_that_tell_no_order_are_one_line(tmp_path: Path, written: list[str], said: str) -> None:
    assert said in error_of(names(tmp_path, *written))


def test_a_pattern_chooses_among_the_files_of_a_folder(tmp_path: Path) -> None:
    names(tmp_path, "z1.png", "z2.png", "mask1.png", "projection_max.png")
    assert open_volume(f"{tmp_path}/z*.png").shape == (2, 9, 11)


def test_what_programs_leave_behind_is_left_out(tmp_path: Path) -> None:
    names(tmp_path, "z1.png", "z2.png")
    for name in ("._z1.png", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"left behind")
    assert open_volume(str(tmp_path)).shape == (2, 9, 11)


def palette(grey: np.ndarray, colours: list[int]) -> Image.Image:
    image = Image.fromarray(grey).convert("L")
    indexed = Image.frombytes("P", image.size, image.tobytes())
    indexed.putpalette(colours)
    return indexed


GREYS = [value for value in range(255, -1, -1) for _ in range(3)]
"""A palette in which index 0 is white: what counts is the colour, not the index."""

WAYS: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "l": Image.fromarray,
    "palette": lambda grey: palette(255 - grey, GREYS),
    "la": lambda grey: Image.merge("LA", (Image.fromarray(grey), Image.fromarray(np.full_like(grey, 255)))),
    "rgb": lambda grey: Image.fromarray(np.stack([grey] * 3, axis=-1)),
    "rgba": lambda grey: Image.fromarray(np.stack([grey] * 3 + [np.full_like(grey, 255)], axis=-1)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_is_read_however_it_is_stored(tmp_path: Path, way: str, suffix: str) -> None:
    if (way, suffix) == ("palette", "tif"):
        pytest.skip("Pillow writes no grey palettes to TIFF")
    for z, grey in enumerate(GREY):
        WAYS[way](grey).save(tmp_path / f"z{z}.{suffix}")
    volume = open_volume(str(tmp_path))
    np.testing.assert_array_equal(volume.read(volume.box), GREY)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd"])
def test_compressed_tiff_slices_are_read(tmp_path: Path, compression: str) -> None:
    for z, grey in enumerate(GREY):
        tifffile.imwrite(tmp_path / f"z{z}.tif", grey, compression=compression, photometric="minisblack")
    np.testing.assert_array_equal(open_volume(str(tmp_path)).read(open_volume(str(tmp_path)).box), GREY)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.random.default_rng(2).integers(0, 256, (9, 11, 3), dtype=np.uint8), "is in colour"),
        (np.stack([GREY[0]] * 3 + [GREY[1]], axis=-1), "is partly transparent"),
    ],
)
def test_what_is_no_grey_image_is_one_line(tmp_path: Path, array: np.ndarray, said: str) -> None:
    Image.fromarray(array).save(tmp_path / "z1.png")
    assert said in error_of(str(tmp_path))


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_a_slice_that_is_to_be_shown_turned_is_one_line(tmp_path: Path, suffix: str) -> None:
    """Whether what reads it turns it is not known, so neither is where its labels lie."""
    exif = Image.Exif()
    for orientation in (1, 6):
        exif[ORIENTATION] = orientation
        Image.fromarray(GREY[0]).save(tmp_path / f"{orientation}.{suffix}", exif=exif)
    assert read_slice(tmp_path / f"1.{suffix}").shape == GREY[0].shape
    for ask in (read_slice, slice_header):
        with pytest.raises(InputError, match=r"6\.\w+ is to be shown turned .* its orientation is 6"):
            ask(tmp_path / f"6.{suffix}")


def test_a_stack_that_is_to_be_shown_turned_is_one_line(tmp_path: Path) -> None:
    upside_down = [(ORIENTATION, "H", 1, 3, True)]
    tifffile.imwrite(tmp_path / "v.tif", GREY, photometric="minisblack", extratags=upside_down)
    with pytest.raises(InputError, match="its orientation is 3"):
        open_volume(str(tmp_path / "v.tif"))


def test_a_tiff_with_0_as_white_is_one_line(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "z1.tif", GREY[0], photometric="miniswhite")
    assert "is stored with 0 as white" in error_of(str(tmp_path))


def test_a_slice_of_many_pages_among_others_is_one_line(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "z1.tif", GREY, photometric="minisblack")
    tifffile.imwrite(tmp_path / "z2.tif", GREY, photometric="minisblack")
    assert "has 4 pages" in error_of(str(tmp_path))


def test_a_folder_of_one_file_of_many_pages_is_that_volume(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", GREY, photometric="minisblack")
    volume = open_volume(str(tmp_path))
    np.testing.assert_array_equal(volume.read(volume.box), GREY)


def test_pages_stored_as_channels_or_frames_are_slices(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", GREY, imagej=True, metadata={"axes": "TYX"})
    volume = open_volume(str(tmp_path / "stack.tif"))
    np.testing.assert_array_equal(volume.read(volume.box), GREY)


def test_a_tiff_of_several_images_is_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "stack.tif") as file:
        file.write(GREY, photometric="minisblack")
        file.write(GREY[0, :5], photometric="minisblack")
    assert "holds 2 images, of shapes (4, 9, 11), (5, 11)" in error_of(str(tmp_path / "stack.tif"))


def test_a_grey_value_that_is_transparent_is_one_line(tmp_path: Path) -> None:
    Image.fromarray(GREY[0]).save(tmp_path / "z1.png", transparency=int(GREY[0, 0, 0]))
    assert "is partly transparent" in error_of(str(tmp_path))


def test_of_steps_as_frequent_the_smaller_is_that_of_slices(tmp_path: Path) -> None:
    volume = open_volume(names(tmp_path, "z3.png", "z5.png", "z6.png"))
    assert [str(box) for box in volume.missing(volume.box)] == ["1:2,0:9,0:11"]


def test_what_is_not_there_or_no_volume_is_one_line(tmp_path: Path) -> None:
    assert "no such folder" in error_of(f"{tmp_path}/nothing/*.png")
    np.savez(tmp_path / "v.npz", GREY)
    assert "save the volume alone" in error_of(f"{tmp_path}/v.npz")


@pytest.mark.parametrize("spacing", [0, -1, 5])
def test_a_spacing_that_is_no_length_is_no_voxel_size(tmp_path: Path, spacing: float) -> None:
    metadata = {"axes": "ZYX", "spacing": spacing, "unit": "nm"}
    tifffile.imwrite(tmp_path / "s.tif", GREY, imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    size = open_volume(str(tmp_path / "s.tif")).voxel_size_nm
    assert size == ((5, 2, 2) if spacing > 0 else None)


def write_set(folder: Path, images: np.ndarray) -> list[Path]:
    """An OME-TIFF of a file a z, each of which names all, as Micro-Manager and Bio-Formats write them."""
    files = [folder / f"s_{z:03}.ome.tif" for z in range(len(images))]
    uuids = [f"urn:uuid:00000000-0000-0000-0000-{z:012}" for z in range(len(images))]
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{file.name}">{uuid}</UUID></TiffData>'
        for z, (file, uuid) in enumerate(zip(files, uuids))
    )
    z, y, x = images.shape
    for file, uuid, image in zip(files, uuids, images):
        described = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
            f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="{x}" '
            f'SizeY="{y}" SizeZ="{z}" SizeC="1" SizeT="1">{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(file, image, description=described, metadata=None, photometric="minisblack")
    return files


def test_slices_of_an_ome_set_are_each_their_own(tmp_path: Path) -> None:
    files = write_set(tmp_path, GREY)
    files[2].unlink()
    volume = open_volume(str(tmp_path))
    expected = GREY.copy()
    expected[2] = 0
    np.testing.assert_array_equal(volume.read(volume.box), expected)
    assert [str(box) for box in volume.missing(volume.box)] == ["2:3,0:9,0:11"]


def test_an_ome_set_given_by_one_file_is_whole_or_refused(tmp_path: Path) -> None:
    files = write_set(tmp_path, GREY)
    volume = open_volume(str(files[1]))
    np.testing.assert_array_equal(volume.read(volume.box), GREY)
    before = volume.stamp
    os.utime(files[3], (1, 1))
    assert open_volume(str(files[1])).stamp != before
    files[3].unlink()
    assert "1 of its 4 pages are in files that are not there" in error_of(str(files[1]))


@pytest.mark.parametrize("other", [GREY[0][:5], GREY[0].astype(np.uint16)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_slices_of_another_shape_or_type_are_found_at_opening(
    tmp_path: Path, other: np.ndarray, suffix: str
) -> None:
    for z in range(4):
        Image.fromarray(other if z == 2 else GREY[z]).save(tmp_path / f"z{z}.{suffix}")
    with pytest.raises(InputError, match=rf"z2.{suffix} is .* as the first slice"):
        open_volume(str(tmp_path))


def test_opening_a_folder_again_does_not_decode_a_slice_again(tmp_path: Path) -> None:
    for z in range(3):
        Image.fromarray(GREY[z]).save(tmp_path / f"z{z}.png")
    first, read = tmp_path / "z0.png", open_volume(str(tmp_path))
    status, head = first.stat(), first.read_bytes()[:41]  # of a PNG, up to its voxels
    first.write_bytes(head.ljust(status.st_size, b"\0"))
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = open_volume(str(tmp_path))
    np.testing.assert_array_equal(again.read(again.box), GREY[:3])
    assert again.stamp == read.stamp


@pytest.mark.parametrize("way", [*WAYS, "1", "deep"])
@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_headers_tell_what_decoding_gives(tmp_path: Path, way: str, suffix: str) -> None:
    more = {"1": lambda grey: Image.fromarray(grey > 99), "deep": lambda g: Image.fromarray(g.astype("u2"))}
    if (way, suffix) in [("palette", "tif"), ("la", "bmp"), ("deep", "bmp")]:
        pytest.skip("Pillow does not write these")
    file = tmp_path / f"z1.{suffix}"
    (WAYS | more)[way](GREY[0]).save(file)
    image = read_slice(file)
    assert slice_header(file) == (image.shape, image.dtype.newbyteorder("="))


def test_a_grey_palette_in_a_tiff_is_looked_up(tmp_path: Path) -> None:
    white_first = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * 257, (3, 1))
    tifffile.imwrite(tmp_path / "z1.tif", 255 - GREY[0], photometric="palette", colormap=white_first)
    np.testing.assert_array_equal(read_slice(tmp_path / "z1.tif"), GREY[0])


def test_grey_in_planes_of_colour_is_read(tmp_path: Path) -> None:
    for width in (11, 4):  # as many columns as colour and opacity have channels
        image = GREY[0][:, :width]
        tifffile.imwrite(
            tmp_path / "z1.tif", np.stack([image] * 3), photometric="rgb", planarconfig="separate"
        )
        np.testing.assert_array_equal(read_slice(tmp_path / "z1.tif"), image)


def test_lossy_slices_are_close(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (50, 1))
    Image.fromarray(smooth).save(tmp_path / "z1.jpeg", quality=95)
    assert np.abs(read_slice(tmp_path / "z1.jpeg").astype(int) - smooth).max() < 8


def test_four_inks_are_not_taken_for_grey_and_opacity(tmp_path: Path) -> None:
    inks = np.stack([GREY[0]] * 3 + [np.full_like(GREY[0], 255)], axis=-1)
    Image.fromarray(inks, "CMYK").save(tmp_path / "z1.jpg", quality=100)
    tifffile.imwrite(tmp_path / "z1.tif", inks, photometric="separated")
    assert "is stored as CMYK" in error_of(f"{tmp_path}/*.jpg")
    assert "is stored as SEPARATED" in error_of(f"{tmp_path}/*.tif")


def test_planes_behind_one_page_are_not_left_out(tmp_path: Path) -> None:
    """ImageJ describes a stack of more than 4 GB by its first page alone."""
    for name in ("z1.tif", "z2.tif"):
        tifffile.imwrite(tmp_path / name, GREY, imagej=True, metadata={"axes": "ZYX"}, truncate=True)
        with tifffile.TiffFile(tmp_path / name) as file:
            assert len(file.pages) == 1
    assert "has 4 pages" in error_of(str(tmp_path))
    (tmp_path / "z2.tif").unlink()
    volume = open_volume(str(tmp_path))
    np.testing.assert_array_equal(volume.read(volume.box), GREY)


@given(first=st.integers(0, 99), step=st.integers(1, 12), kept=st.sets(st.integers(0, 30), max_size=30))
def test_a_slice_lies_where_its_number_says(first: int, step: int, kept: set[int]) -> None:
    present = sorted(kept | {0, 1, 2} | {31, 32, 33, 34} | set(range(10, 20)))  # most go up by the step
    with tempfile.TemporaryDirectory() as folder:
        for z in present:
            (Path(folder) / f"s1_{first + z * step}.png").touch()
        assert sorted(slices_by_z(Path(folder), "*")) == present


@pytest.mark.parametrize("z", [1, 2, 3])
def test_a_slice_that_is_a_link_to_nothing_is_told(tmp_path: Path, z: int) -> None:
    """Left out, it made of sections 0, 2, 4 a volume of three, and one at the end was not missed."""
    folder = names(tmp_path, "z0.png", "z1.png", "z2.png", "z3.png")
    (tmp_path / f"z{z}.png").unlink()
    (tmp_path / f"z{z}.png").symlink_to("gone.png")
    assert f"z{z}.png is a link to gone.png, which is not there" in error_of(folder)
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    assert f"z{z}.png is a link to gone.png, which is not there" in error_of(f"{folder}/z*.png")


def test_a_jpeg_by_another_name_is_no_labels(tmp_path: Path) -> None:
    for z in range(3):
        Image.fromarray(GREY[z]).save(tmp_path / f"z{z}.png", "JPEG")
    volume = open_volume(str(tmp_path))
    with pytest.raises(InputError, match="is stored as JPEG, which changes ids"):
        LabelVolume(volume)


def test_the_pattern_that_is_proposed_finds_the_slices_whatever_their_names(tmp_path: Path) -> None:
    folder = names(tmp_path, "em[8bit]_1.png", "em[8bit]_2.png", "projection.png")
    proposed = error_of(folder).rpartition("give the slices as ")[2]
    assert open_volume(proposed).shape == (2, *GREY.shape[1:])


def test_a_folder_of_volumes_names_them(tmp_path: Path) -> None:
    (tmp_path / "raw" / "em").mkdir(parents=True)
    names(tmp_path / "raw" / "em", "z0.png", "z1.png")
    (tmp_path / "labels.zarr").mkdir()
    for file in (tmp_path / "old.h5", tmp_path / ".hidden" / "info", tmp_path / "notes" / "info.txt"):
        file.parent.mkdir(exist_ok=True)
        file.touch()
    said = "name their folder; volumes below it: labels.zarr, old.h5, raw/em"
    assert error_of(str(tmp_path)).endswith(said)
    assert error_of(str(tmp_path / "notes")).endswith("name their folder")


def test_where_not_all_folders_are_looked_into_there_are_perhaps_other_volumes(tmp_path: Path) -> None:
    for name in ("a.zarr", *map(str, range(60))):
        (tmp_path / name).mkdir()
    assert error_of(str(tmp_path)).endswith("; volumes below it: a.zarr, and perhaps others")
    (tmp_path / "59").rmdir()
    assert error_of(str(tmp_path)).endswith("; volumes below it: a.zarr")
