"""N5 counts x, y, z unless it says otherwise, and says where a volume lies in several ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
from writers import write_n5_block_by_block

from pipeline.errors import InputError
from pipeline.volumes import Choice, open_volume
from pipeline.volumes.n5 import COMPRESSIONS, DTYPES

IMAGE = (np.arange(4 * 6 * 8, dtype=np.uint8) % 127 + 1).reshape(4, 6, 8)


def write(folder: Path, attributes: Any, image: np.ndarray = IMAGE) -> str:
    write_n5_block_by_block(folder / "v.n5" / "em", image, image.shape[-3:], attributes)
    return f"{folder / 'v.n5'}:em"


def transform(axes: str, scale: list[float], translate: list[float]) -> dict[str, Any]:
    return {"transform": {"axes": list(axes), "scale": scale, "translate": translate, "units": ["nm"] * 3}}


@pytest.mark.parametrize("axes", ["zyx", "xyz"])
def test_a_cosem_transform_names_its_numbers_and_turns_no_voxels(tmp_path: Path, axes: str) -> None:
    size, at = {"z": 5.0, "y": 4.0, "x": 3.0}, {"z": 10.0, "y": -4.0, "x": 9.0}
    volume = open_volume(write(tmp_path, transform(axes, [size[a] for a in axes], [at[a] for a in axes])))
    assert (volume.voxel_size_nm, volume.frame.origin) == ((5, 4, 3), (2, -1, 3))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


@pytest.mark.parametrize("own_attributes", [True, False])
def test_levels_of_cosem_are_placed_by_centres_from_the_finest(tmp_path: Path, own_attributes: bool) -> None:
    group = tmp_path / "v.n5" / "em"
    write_n5_block_by_block(group / "s0", IMAGE, (4, 4, 4), transform("zyx", [5, 4, 4], [10, 8, 8]))
    coarser = transform("zyx", [10, 8, 8], [12.5, 10, 10])
    own = coarser if own_attributes else {}
    write_n5_block_by_block(group / "s1", IMAGE[::2, ::2, ::2], (4, 4, 4), own)
    listed = {"multiscales": [{"datasets": [{"path": "s1", **coarser}]}]}
    (group / "attributes.json").write_text(json.dumps({} if own_attributes else listed))
    for volume in (open_volume(str(group), Choice(level=1)), open_volume(str(group / "s1"))):
        assert (volume.voxel_size_nm, volume.frame.origin) == ((10, 8, 8), (1, 1, 1))
    before = volume.stamp
    finest = group / "s0" / "attributes.json"
    finest.write_text(finest.read_text() + "\n")
    assert open_volume(volume.uri).stamp != before


@pytest.mark.parametrize("where", ["group", "level"])
def test_sizes_of_levels_follow_from_the_finest_and_the_factors(tmp_path: Path, where: str) -> None:
    group = tmp_path / "v.n5" / "em"
    size = {"pixelResolution": {"dimensions": [0.004, 0.004, 0.04], "unit": "um"}}
    for level in range(3):
        own = {**size, "downsamplingFactors": [2**level] * 3} if where == "level" else {}
        write_n5_block_by_block(group / f"s{level}", IMAGE, (4, 4, 4), own)
    of_group = {**size, "scales": [[2**level] * 3 for level in range(3)]} if where == "group" else {}
    (group / "attributes.json").write_text(json.dumps(of_group))
    for level in range(3):
        for volume in (open_volume(str(group), Choice(level=level)), open_volume(str(group / f"s{level}"))):
            np.testing.assert_allclose(volume.voxel_size_nm or 0, np.array([40, 4, 4]) * 2**level)


def test_levels_of_big_data_viewer_have_the_factors_of_their_setup(tmp_path: Path) -> None:
    setup = tmp_path / "v.n5" / "setup0"
    for level in range(2):
        write_n5_block_by_block(setup / "timepoint0" / f"s{level}", IMAGE, (4, 4, 4), {})
    (setup / "attributes.json").write_text(json.dumps({"downsamplingFactors": [[1, 1, 1], [2, 2, 3]]}))
    resolution = {"resolution": [4, 5, 40], "units": ["nm"] * 3}
    (setup / "timepoint0" / "attributes.json").write_text(json.dumps(resolution))
    finest, coarser = (open_volume(str(setup / "timepoint0"), Choice(level=level)) for level in range(2))
    assert (finest.voxel_size_nm, coarser.voxel_size_nm) == ((40, 5, 4), (120, 10, 8))
    before = coarser.stamp
    (setup / "attributes.json").write_text("{}")
    assert coarser.stamp != before
    # BigDataViewer itself writes none, and may mean micrometres: its XML says it
    (setup / "timepoint0" / "attributes.json").write_text(json.dumps({"resolution": [0.004, 0.005, 0.04]}))
    assert open_volume(str(setup / "timepoint0")).voxel_size_nm is None


@pytest.mark.parametrize(
    ("attributes", "size_nm"),
    [
        ({"resolution": [4, 5, 40]}, (40, 5, 4)),
        ({"pixelResolution": {"dimensions": [4, 5, 40]}}, None),
        ({"pixelResolution": [4, 5, 40]}, None),
        ({"pixelResolution": [4, 5, 40], "unit": "nm"}, (40, 5, 4)),
    ],
)
def test_without_a_unit_it_is_as_those_who_write_the_attribute_mean_it(
    tmp_path: Path, attributes: Any, size_nm: tuple[float, ...] | None
) -> None:
    """Neuroglancer and funlib nm, n5-viewer pixels."""
    assert open_volume(write(tmp_path, attributes)).voxel_size_nm == size_nm


def test_a_level_of_which_nobody_says_how_coarse_it_is_has_not_the_finest_s_voxels(tmp_path: Path) -> None:
    group = tmp_path / "v.n5" / "em"
    for level in range(2):
        write_n5_block_by_block(group / f"s{level}", IMAGE, (4, 4, 4), {})
    (group / "attributes.json").write_text(json.dumps({"resolution": [4, 5, 40]}))
    assert open_volume(str(group)).voxel_size_nm == (40, 5, 4)
    assert open_volume(str(group), Choice(level=1)).voxel_size_nm is None


def test_numbers_of_four_axes_go_by_their_names(tmp_path: Path) -> None:
    stored = np.stack([IMAGE, IMAGE + 1], axis=1)  # z c y x, which N5 calls x, y, c, z
    attributes = {"axes": list("xycz"), "resolution": [4, 5, 1, 6], "blockSize": [8, 6, 2, 4]}
    write_n5_block_by_block(tmp_path / "v.n5" / "em", stored, (4, 2, 6, 8), attributes)
    volume = open_volume(f"{tmp_path / 'v.n5'}:em", Choice(channel=1))
    assert volume.voxel_size_nm == (6, 5, 4)
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE + 1)


def test_an_offset_without_a_size_asks_for_the_size(tmp_path: Path) -> None:
    uri = write(tmp_path, {"offset": [4, 8, 20]})
    with pytest.raises(InputError, match=r"voxel size is unknown: set data\.voxel_size_nm"):
        open_volume(uri)
    assert open_volume(uri, Choice(voxel_size_nm=(10, 4, 4))).frame.origin == (2, 2, 1)


@pytest.mark.parametrize(
    ("attributes", "wrong"),
    [
        ({"dataType": "string"}, "its dataType is 'string'; expected one of uint8"),
        ({"compression": {"type": "lz4"}}, "its compression is 'lz4'; expected one of raw, gzip"),
        ({"compression": None}, "attributes.json cannot be understood"),
        ({"blockSize": [4, 4]}, "blockSize and dimensions differ in length"),
        ({"pixelResolution": {"unit": "nm"}}, "attributes.json cannot be understood: KeyError 'dimensions'"),
        ({"resolution": [4, 4]}, "attribute resolution is .4, 4.; expected three, for x, y, z"),
        ({"resolution": [4, 4, 0]}, "attribute resolution is .*; expected positive numbers"),
        (transform("zyx", [4, 4], [0, 0, 0]), "attributes.json cannot be understood: ValueError"),
        (transform("abc", [4, 4, 4], [0, 0, 0]), "attribute transform.axes is .* expected z, y and x"),
    ],
)
def test_attributes_that_make_no_sense_are_one_error(tmp_path: Path, attributes: Any, wrong: str) -> None:
    uri = write(tmp_path, attributes)
    with pytest.raises(InputError, match=wrong):
        open_volume(uri)


def test_every_level_below_a_container_is_named_with_its_shape(tmp_path: Path) -> None:
    write(tmp_path, {})
    with pytest.raises(InputError, match=r"PATH:DATASET; its datasets: em \(8 x 6 x 4\)"):
        open_volume(str(tmp_path / "v.n5"))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_that_is_not_refused_is_read(tmp_path: Path, compression: str) -> None:
    blosc = {"cname": "lz4", "clevel": 5, "shuffle": 1} if compression == "blosc" else {}
    spec = {
        "driver": "n5", "kvstore": {"driver": "file", "path": f"{tmp_path / 'v.n5'}/"},
        "metadata": {
            "dimensions": IMAGE.shape[::-1], "blockSize": [4, 4, 4], "dataType": "uint8",
            "compression": {"type": compression, **blosc},
        },
    }  # fmt: skip
    tensorstore.open(spec, create=True).result().write(IMAGE.T).result()
    volume = open_volume(str(tmp_path / "v.n5"))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_that_is_not_refused_is_read(tmp_path: Path, dtype: str) -> None:
    volume = open_volume(write(tmp_path, {}, IMAGE.astype(dtype)))
    assert volume.dtype == dtype
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_two_voxel_sizes_that_differ_are_told(tmp_path: Path) -> None:
    group = tmp_path / "v.n5" / "em"
    um = {"pixelResolution": {"dimensions": [0.004, 0.004, 0.04], "unit": "um"}}
    for level in range(2):
        factors = {"downsamplingFactors": [2**level, 2**level, 1]}
        write_n5_block_by_block(group / f"s{level}", IMAGE, (4, 4, 4), factors)
    for resolution, told in (([4, 4, 40], ["", ""]), ([4, 4, 30], ["40 x 4 x 4", "40 x 8 x 8"])):
        (group / "attributes.json").write_text(json.dumps({"resolution": resolution, **um}))
        for level in range(2):
            frame = open_volume(str(group), Choice(level=level)).frame
            assert frame.voxel_size_nm == (resolution[2], 4 * 2**level, 4 * 2**level)
            assert frame.stated_otherwise == (told[level] and f"its pixelResolution says {told[level]} nm")


@pytest.mark.parametrize("second", [{"unit": "thumb", "dimensions": [1, 1, 1]}, {"unit": "um"}])
def test_a_second_voxel_size_that_makes_no_sense_is_no_matter(second: Any, tmp_path: Path) -> None:
    frame = open_volume(write(tmp_path, {"resolution": [4, 4, 40], "pixelResolution": second})).frame
    assert (frame.voxel_size_nm, frame.stated_otherwise) == ((40, 4, 4), "")


def test_attributes_of_the_first_version_are_told_with_what_to_write(tmp_path: Path) -> None:
    uri = write(tmp_path, {})
    described = tmp_path / "v.n5" / "em" / "attributes.json"
    said = json.loads(described.read_text())
    without = {name: value for name, value in said.items() if name != "compression"}
    described.write_text(json.dumps({**without, "compressionType": "gzip"}))
    with pytest.raises(InputError, match=r'put "compression": ."type": "gzip". in the place of its'):
        open_volume(uri)
    described.write_text(json.dumps(said))
    np.testing.assert_array_equal(open_volume(uri).read(open_volume(uri).box), IMAGE)


def paintera(folder: Path, kind: str, **of_data: Any) -> str:
    """A data set of Paintera's of two levels, as it lies in its group."""
    group = folder / "v.n5" / "volumes" / kind
    for level in range(2):
        factors = {"downsamplingFactors": [2**level] * 3} if level else {}
        write_n5_block_by_block(group / "data" / f"s{level}", IMAGE, (4, 4, 4), factors)
    described = {"multiScale": True, "resolution": [4, 4, 40], "offset": [16, 8, 80], **of_data}
    (group / "data" / "attributes.json").write_text(json.dumps(described))
    (group / "attributes.json").write_text(json.dumps({"painteraData": {"type": kind}}))
    return f"{folder / 'v.n5'}:volumes/{kind}"


@pytest.mark.parametrize("below", ["", "/data"])
def test_a_data_set_of_paintera_is_the_levels_in_it(below: str, tmp_path: Path) -> None:
    uri = paintera(tmp_path, "raw") + below
    for level in range(2):
        volume = open_volume(uri, Choice(level=level))
        assert volume.voxel_size_nm == (40 * 2**level, 4 * 2**level, 4 * 2**level)
    volume = open_volume(uri)
    assert volume.frame.origin == (2, 2, 4)
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_labels_of_paintera_that_are_no_segments_are_told(tmp_path: Path) -> None:
    uri = paintera(tmp_path, "label")
    assigned = tmp_path / "v.n5" / "volumes" / "label" / "fragment-segment-assignment"
    for count, is_joined in ((0, False), (3, True)):
        assigned.mkdir(exist_ok=True)
        (assigned / "attributes.json").write_text(json.dumps({"dimensions": [count, 2]}))
        for name in (uri, f"{uri}/data", f"{uri}/data/s0"):
            if is_joined:
                with pytest.raises(InputError, match=r"holds fragments, which .* joins to segments"):
                    open_volume(name)
            else:
                np.testing.assert_array_equal(open_volume(name).read(open_volume(name).box), IMAGE)
    several = paintera(tmp_path / "b", "label", isLabelMultiset=True)
    for name in (several, f"{several}/data/s1"):
        with pytest.raises(InputError, match="holds label multisets of Paintera, of several ids"):
            open_volume(name)
