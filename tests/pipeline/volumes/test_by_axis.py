"""Sizes, offsets and units that say no length, or nothing, have one way out in all formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from writers import write_n5_block_by_block

from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.volumes import Choice, VoxelSize, open_volume

IMAGE = np.ones((4, 5, 6), np.uint8)
SIZE: VoxelSize = (40, 8, 4)
ORIGIN: Triple = (7, 8, 9)


def write_hdf5(folder: Path, attributes: dict[str, Any], shape: Sequence[int] = IMAGE.shape) -> str:
    with h5py.File(folder / "v.h5", "w") as file:
        file["em"] = np.ones(shape, np.uint8)
        file["em"].attrs.update(attributes)
    return f"{folder}/v.h5:em"


def write_zarr(folder: Path, attributes: dict[str, Any], shape: Sequence[int] = IMAGE.shape) -> str:
    array = zarr.create_array(str(folder / "v.zarr"), shape=shape, dtype="u1", zarr_format=2)
    array[...] = 1
    array.attrs.update(attributes)
    return f"{folder}/v.zarr"


def write_n5(folder: Path, attributes: dict[str, Any], shape: Sequence[int] = IMAGE.shape) -> str:
    turned = {name: v[::-1] if isinstance(v, list) else v for name, v in attributes.items()}
    write_n5_block_by_block(folder / "v.n5" / "em", np.ones(shape, np.uint8), shape, turned)
    return f"{folder}/v.n5:em"


def write_ome_zarr(folder: Path, attributes: dict[str, Any]) -> str:
    group = zarr.open_group(str(folder / "v.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=IMAGE.shape, dtype="u1")
    steps: Any = [
        {"type": "scale", "scale": attributes["resolution"]},
        {"type": "translation", "translation": attributes["offset"]},
    ]
    axes = [{"name": name, "type": "space", "unit": attributes["units"]} for name in "zyx"]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return f"{folder}/v.zarr"


WRITERS = [write_hdf5, write_zarr, write_n5, write_ome_zarr]
Write = Callable[..., str]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("unit", ["pixel", "Voxels"])
def test_a_unit_that_is_no_length_says_of_how_many_voxels(tmp_path: Path, write: Write, unit: str) -> None:
    uri = write(tmp_path, {"resolution": [10, 2, 1], "offset": [70, 16, 9], "units": unit})
    assert (open_volume(uri).voxel_size_nm, open_volume(uri).frame.origin) == (None, ORIGIN)
    chosen = open_volume(uri, Choice(voxel_size_nm=SIZE))
    assert (chosen.voxel_size_nm, chosen.frame.origin) == (SIZE, ORIGIN)


@pytest.mark.parametrize("write", WRITERS)
def test_a_unit_that_is_not_known_needs_the_size_alone(tmp_path: Path, write: Write) -> None:
    uri = write(tmp_path, {"resolution": [10, 2, 1], "offset": [70, 16, 9], "units": "furlong"})
    with pytest.raises(InputError, match=r"unit 'furlong' is not known: set data.voxel_size_nm"):
        open_volume(uri)
    chosen = open_volume(uri, Choice(voxel_size_nm=SIZE))
    assert (chosen.voxel_size_nm, chosen.frame.origin) == (SIZE, ORIGIN)


@pytest.mark.parametrize("write", WRITERS[:3])
@pytest.mark.parametrize("size", [8.0, "8 nm", [8, 8], [8, 0, 8], "8"])
def test_a_size_that_is_not_three_needs_the_size_alone(tmp_path: Path, write: Write, size: Any) -> None:
    uri = write(tmp_path, {"resolution": size, "offset": [280, 64, 36]})
    with pytest.raises(InputError, match=r"attribute resolution is .* expected .*: set data\.voxel_size_nm"):
        open_volume(uri)
    chosen = open_volume(uri, Choice(voxel_size_nm=SIZE))
    assert (chosen.voxel_size_nm, chosen.frame.origin) == (SIZE, ORIGIN)


@pytest.mark.parametrize("write", WRITERS[:3])
@pytest.mark.parametrize(
    "attributes",
    [{"resolution": list(SIZE), "offset": "left"}, {"offset": [1, 2, 3], "units": "furlong"}],
)
def test_an_offset_that_says_nothing_needs_the_origin(
    tmp_path: Path, write: Write, attributes: dict[str, Any]
) -> None:
    uri = write(tmp_path, attributes)
    with pytest.raises(InputError, match=r": set data\.origin to where its first voxel is"):
        open_volume(uri)
    assert open_volume(uri, Choice(origin=ORIGIN)).frame.origin == ORIGIN


@pytest.mark.parametrize("text", ["[40, 8, 4]", "40,8,4", "(40, 8.0, 4)"])
def test_three_numbers_as_text_are_three_numbers(tmp_path: Path, text: str) -> None:
    assert open_volume(write_hdf5(tmp_path, {"resolution": text})).voxel_size_nm == SIZE


@pytest.mark.parametrize("write", WRITERS[:3])
@pytest.mark.parametrize(
    ("axes", "stored"),
    [
        (["x", "y", "z", "sample"], (6, 5, 4, 1)),
        (["Col", "row", "SLICE"], (6, 5, 4)),
        (["z^", "x^", "y^"], (4, 6, 5)),
        (["echo", "y", "z", "x"], (1, 5, 4, 6)),
    ],
)
def test_names_beside_those_of_z_y_and_x_do_not_turn_the_volume(
    tmp_path: Path, write: Write, axes: list[str], stored: tuple[int, ...]
) -> None:
    assert open_volume(write(tmp_path, {"axes": axes}, stored)).shape == (4, 5, 6)


@pytest.mark.parametrize("write", WRITERS[:3])
@pytest.mark.parametrize("axes", [["x", "y", "depth of cut"], ["z", "x", "b"], ["y", "a", "b"]])
def test_axes_of_which_some_are_known_to_lie_elsewhere_are_not_guessed(
    tmp_path: Path, write: Write, axes: list[str]
) -> None:
    uri = write(tmp_path, {"axes": axes})
    with pytest.raises(InputError, match=r"its axes are called .*: name them in data\.axes"):
        open_volume(uri)
    assert open_volume(uri, Choice(axes="zyx")).shape[0] in (4, 6)


@pytest.mark.parametrize("write", WRITERS[:3])
@pytest.mark.parametrize("axes", [["frame", "y", "x"], ["a", "b", "c"]])
def test_names_that_contradict_nothing_are_no_matter(tmp_path: Path, write: Write, axes: list[str]) -> None:
    assert open_volume(write(tmp_path, {"axes": axes})).shape == (4, 5, 6)
