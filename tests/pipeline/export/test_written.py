"""What is written is read back by other libraries and by this program: voxels, their size and their place."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.export import part as part_module
from pipeline.export import part_of, written_by
from pipeline.export import tiff as tiff_module
from pipeline.geometry import Box
from pipeline.volumes import Choice, Volume, open_volume

SHAPE = (9, 14, 17)
VALUES = np.random.default_rng(1).integers(0, 200, SHAPE)
ENDINGS = (".h5", ".zarr", ".tif")


def volume_of(folder: Path, array: np.ndarray, **choice: object) -> Volume:
    np.save(folder / "in.npy", array)
    return open_volume(str(folder / "in.npy"), Choice(**choice))  # type: ignore[arg-type]


def exported(volume: Volume, box: Box | None, path: Path, dtype: str | None = None) -> str:
    """Written; its name as a volume."""
    output = written_by(str(path))
    part = output.fit(part_of(volume, box, None if dtype is None else np.dtype(dtype)))
    assert sum(output.written(part)) == part.box.size
    return output.uri


def by_others(path: Path) -> np.ndarray:
    """All voxels, by the library of the format."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return np.asarray(file["volume"][()])
    if path.suffix == ".zarr":
        stored: Any = zarr.open_group(str(path), mode="r")["0"]
        return np.asarray(stored[:])
    return tifffile.imread(path)


@st.composite
def boxes(draw: st.DrawFn, origin: tuple[int, int, int]) -> Box:
    spans = [sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in SHAPE]
    z, y, x = spans
    return Box((z[0], y[0], x[0]), (z[1], y[1], x[1])).translate(origin)


@pytest.mark.parametrize("ending", ENDINGS)
@given(
    data=st.data(),
    origin=st.tuples(*[st.integers(-5000, 5000)] * 3),
    size=st.none() | st.tuples(*[st.floats(0.5, 200).map(lambda n: round(n, 2))] * 3),
    dtype=st.sampled_from(["uint8", "int16", "uint32", "float32", "uint64", "bool"]),
)
@settings(max_examples=15, deadline=None)
def test_any_box_is_read_back_with_its_size_and_place(
    ending: str, data: st.DataObject, origin: tuple[int, int, int], size: object, dtype: str
) -> None:
    box = data.draw(boxes(origin))
    array = VALUES.astype(dtype)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder, blocks = Path(name), data.draw(st.tuples(*[st.sampled_from([4, 8, 64])] * 3))
        patch.setattr(part_module, "BLOCK", blocks)
        patch.setattr(tiff_module, "PLANES_BYTES", 700)
        volume = volume_of(folder, array, origin=origin, voxel_size_nm=size)
        uri = exported(volume, box, folder / f"out{ending}")
        expected = array[box.slices(origin)]
        found = by_others(folder / f"out{ending}")
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)  # tifffile drops axes of 1
        if dtype == "uint64" and ending != ".tif":
            assert found.dtype == np.uint64
        again = open_volume(uri)
        assert (again.box, again.frame.is_placed) == (box, True)
        assert again.voxel_size_nm == (size and pytest.approx(size))
        np.testing.assert_array_equal(again.read(box), expected)


def test_ome_zarr_says_its_scale_and_translation_in_nm(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, VALUES, origin=(5, -6, 7), voxel_size_nm=(40.0, 8.0, 4.0))
    exported(volume, None, tmp_path / "a.zarr")
    attributes: Any = zarr.open_group(str(tmp_path / "a.zarr"), mode="r").attrs
    (image,) = attributes["multiscales"]
    assert image["version"] == "0.4"
    assert [(a["name"], a["type"], a["unit"]) for a in image["axes"]] == [
        (axis, "space", "nanometer") for axis in "zyx"
    ]
    (level,) = image["datasets"]
    assert level["path"] == "0"
    assert level["coordinateTransformations"] == [
        {"type": "scale", "scale": [40, 8, 4]},
        {"type": "translation", "translation": [200, -48, 28]},
    ]


@pytest.mark.parametrize(
    ("dtype", "written_as", "is_marked"), [("uint64", "uint16", True), ("uint8", None, False)]
)
def test_ids_in_ome_zarr_say_that_they_are_labels(
    tmp_path: Path, dtype: str, written_as: str | None, is_marked: bool
) -> None:
    exported(volume_of(tmp_path, VALUES.astype(dtype)), None, tmp_path / "a.zarr", written_as)
    attributes: Any = zarr.open_group(str(tmp_path / "a.zarr"), mode="r").attrs
    assert ("image-label" in attributes) == is_marked


def test_hdf5_says_resolution_and_offset_and_takes_a_dataset(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, VALUES, origin=(5, 6, 7), voxel_size_nm=(40.0, 8.0, 4.0))
    assert exported(volume, None, Path(f"{tmp_path}/a.h5:volumes/seg")) == f"{tmp_path}/a.h5:volumes/seg"
    with h5py.File(tmp_path / "a.h5") as file:
        attributes = dict(file["volumes/seg"].attrs)
        assert file["volumes/seg"].dtype == VALUES.dtype
    np.testing.assert_array_equal(attributes["resolution"], (40, 8, 4))
    np.testing.assert_array_equal(attributes["offset"], (200, 48, 28))
    assert list(attributes["units"]) == ["nm"] * 3


def test_tifffile_reads_ome_and_the_size_of_voxels(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, VALUES.astype(np.uint16), origin=(5, 6, 7), voxel_size_nm=(40.0, 8.0, 4.0))
    exported(volume, None, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (file.is_ome, file.series[0].axes, file.series[0].shape) == (True, "ZYX", SHAPE)
        assert not file.is_bigtiff
        pixels = tifffile.xml2dict(file.ome_metadata or "")["OME"]["Image"]["Pixels"]
    assert [pixels[f"PhysicalSize{axis}"] for axis in "ZYX"] == [40, 8, 4]
    assert {pixels[f"PhysicalSize{axis}Unit"] for axis in "ZYX"} == {"nm"}


def test_a_large_tiff_is_a_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_module, "CLASSIC_BYTES", 1000)
    exported(volume_of(tmp_path, VALUES.astype(np.uint8)), None, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.asarray(), VALUES)


def test_a_stage_position_of_a_microscope_is_no_place(tmp_path: Path) -> None:
    """Only what this program wrote says by it where the volume lies."""
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        VALUES.astype(np.uint8),
        metadata={"axes": "ZYX", "Plane": {"PositionX": [3.3] * 9, "PositionXUnit": ["nm"] * 9}},
    )
    assert open_volume(str(tmp_path / "a.ome.tif")).box.start == (0, 0, 0)


@pytest.mark.parametrize("ending", ENDINGS)
def test_ids_that_do_not_fit_end_it_and_nothing_is_there(ending: str, tmp_path: Path) -> None:
    array = VALUES.astype(np.uint64)
    array[-1, -1, -1] = 70_000
    volume = volume_of(tmp_path, array)
    with pytest.raises(InputError, match=r"holds 70000 in box .*, for which uint16 has no room"):
        exported(volume, None, tmp_path / f"out{ending}", "uint16")
    assert os.listdir(tmp_path) == ["in.npy"]
    narrow = exported(volume, None, tmp_path / f"out{ending}", "uint32")
    assert open_volume(narrow).dtype == np.uint32
    np.testing.assert_array_equal(by_others(tmp_path / f"out{ending}"), array)


def test_tiff_takes_ids_of_64_bits_where_they_fit_in_32(tmp_path: Path) -> None:
    array = VALUES.astype(np.uint64)
    exported(volume_of(tmp_path, array), None, tmp_path / "a.tif")
    assert by_others(tmp_path / "a.tif").dtype == np.uint32
    array[0, 0, 0] = 2**32
    with pytest.raises(InputError, match=r"holds 4294967296 .* for which uint32 has no room: write integers"):
        exported(volume_of(tmp_path, array), None, tmp_path / "b.tif")


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_overwritten_and_equal_input_gives_equal_bytes(ending: str, tmp_path: Path) -> None:
    volume = volume_of(tmp_path, VALUES)
    for name in ("a", "b"):
        exported(volume, None, tmp_path / f"{name}{ending}")
    with pytest.raises(InputError, match="is there already, and is not overwritten"):
        exported(volume, None, tmp_path / f"a{ending}")

    def content(name: str) -> dict[str, bytes]:
        root = tmp_path / f"{name}{ending}"
        return {str(f.relative_to(root)): f.read_bytes() for f in [root, *root.rglob("*")] if f.is_file()}

    assert content("a") == content("b")


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_broken_off_leaves_nothing(ending: str, tmp_path: Path) -> None:
    output = written_by(str(tmp_path / f"out{ending}"))
    steps = output.written(output.fit(part_of(volume_of(tmp_path, VALUES.astype(np.uint8)), None, None)))
    next(steps)
    assert isinstance(steps, Generator)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt)
    assert os.listdir(tmp_path) == ["in.npy"]


LIMITED = """
import resource, sys
import numpy as np
from pipeline.export import part_of, written_by
from pipeline.volumes import open_volume
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
output = written_by(sys.argv[1])
list(output.written(output.fit(part_of(open_volume(sys.argv[2]), None, None))))
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_where_the_file_system_takes_only_a_part_nothing_is_there(ending: str, tmp_path: Path) -> None:
    """As on a full disk."""
    np.save(tmp_path / "in.npy", np.random.default_rng(1).integers(0, 255, (64, 64, 64), dtype=np.uint8))
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / f"out{ending}"), str(tmp_path / "in.npy")],
        capture_output=True,
        text=True,
        check=False,
    )
    last = ended.stderr.strip().splitlines()[-1]
    assert "Exception ignored" not in ended.stderr
    assert last.startswith(f"pipeline.errors.InputError: cannot write {tmp_path}/out{ending}: File too large")
    assert last.endswith("make room, then run the same command again")
    assert os.listdir(tmp_path) == ["in.npy"]


def test_boxes_outside_unknown_endings_and_planes_too_large_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = volume_of(tmp_path, VALUES.astype(np.float32))
    with pytest.raises(
        InputError, match=r"box 0:9,0:14,0:18 reaches outside .*in.npy, which covers 0:9,0:14,"
    ):
        part_of(volume, Box((0, 0, 0), (9, 14, 18)), None)
    with pytest.raises(InputError, match="--dtype uint8 is for integers"):
        part_of(volume, None, np.dtype(np.uint8))
    for name in ("a.mrc", "a", "a.h6:x"):
        with pytest.raises(InputError, match=rf"{name}: a file of this ending is not written; expected .h5"):
            written_by(name)
    for name in ("s3://bucket/a.zarr", "gs://bucket/a.h5", f"file://{tmp_path}/a.tif"):
        with pytest.raises(InputError, match=rf"{name}: only files and folders are written; expected a path"):
            written_by(name)
    for name in ("a.h5:/", "a.h5:."):
        with pytest.raises(InputError, match=r"is no name of a dataset; expected such as a.h5:volume"):
            written_by(name)
    monkeypatch.setattr(tiff_module, "LARGEST_PLANE_BYTES", 900)
    with pytest.raises(InputError, match=r"a plane of box .* has 952 bytes"):
        written_by("a.tif").fit(part_of(volume, None, None))
