"""Neuroglancer precomputed: levels, origins, channels, and what is missing."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from cloudvolume import CloudVolume
from cloudvolume.chunks import NEEDS_INSTALL
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple
from pipeline.volumes.choice import Choice
from pipeline.volumes.labels import LabelVolume
from pipeline.volumes.open import open_volume
from pipeline.volumes.precomputed import PrecomputedVolume
from tests.pipeline.volumes.writers_precomputed import add_level, write_info, write_precomputed

SHAPE = (6, 7, 8)
IMAGE = np.random.default_rng(1).integers(1, 256, SHAPE, dtype=np.uint8)
ORIGIN = (-3, 20, -50)


def opened(uri: str, choice: Choice | None = None) -> PrecomputedVolume:
    return PrecomputedVolume(f"file://{uri.removeprefix('precomputed://')}", choice or Choice())


def error_of(uri: str, choice: Choice | None = None) -> str:
    with pytest.raises(InputError) as caught:
        opened(uri, choice)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    pairs = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE]
    (z0, z1), (y0, y1), (x0, x1) = pairs
    return Box((z0, y0, x0), (z1, y1, x1))


@given(
    origin=st.tuples(*[st.integers(-50, 50)] * 3),
    size=st.tuples(*[st.sampled_from([1, 4, 8.5, 40])] * 3),
    chunk=st.tuples(*[st.integers(1, 9)] * 3),
    compressed=st.booleans(),
    box=boxes(),
)
@settings(max_examples=40)
def test_voxels_lie_where_the_info_says(
    origin: Triple, size: Triple, chunk: Triple, compressed: bool, box: Box
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        volume = opened(write_precomputed(Path(folder), IMAGE, origin, size, chunk, compressed))
        assert volume.box == Box.of_shape(SHAPE, origin)
        assert (volume.voxel_size_nm, volume.chunk) == (size, chunk)
        np.testing.assert_array_equal(volume.read(box.translate(origin)), IMAGE[box.slices()])
        assert volume.missing(volume.box) == []


@pytest.mark.parametrize("compressed", [False, True])
def test_chunks_without_a_file_or_with_an_empty_one_are_missing(compressed: bool, tmp_path: Path) -> None:
    uri = write_precomputed(tmp_path, IMAGE, ORIGIN, (40, 4, 4), (4, 4, 4), compressed)
    suffix = ".gz" if compressed else ""
    folder = tmp_path / "precomputed" / "4_4_40"
    (folder / f"-50--46_20-24_-3-1{suffix}").unlink()
    volume = opened(uri)
    first, last = Box((-3, 20, -50), (1, 24, -46)), Box((1, 24, -46), (3, 27, -42))
    assert volume.missing(volume.box) == [first]
    assert volume.missing(Box((-3, 24, -50), (-2, 25, -49))) == []
    expected = IMAGE.copy()
    expected[:4, :4, :4] = 0
    np.testing.assert_array_equal(volume.read(volume.box), expected)
    (folder / f"-46--42_24-27_1-3{suffix}").write_bytes(b"")
    if compressed:
        with pytest.raises(InputError, match="cannot read box"):
            volume.read(last)
    else:
        assert volume.missing(volume.box) == [first, last]
        assert volume.read(last).max() == 0


def sharded(folder: Path, absent: set[int]) -> str:
    """Written by CloudVolume in one shard, without the chunks numbered `absent` along the Morton curve."""
    info = CloudVolume.create_new_info(
        num_channels=1, layer_type="image", data_type="uint8", encoding="raw", resolution=[4, 4, 40],
        voxel_offset=ORIGIN[::-1], volume_size=SHAPE[::-1], chunk_size=[4, 4, 4],
    )  # fmt: skip
    info["scales"][0]["sharding"] = {
        "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 1, "hash": "identity",
        "minishard_bits": 2, "shard_bits": 0, "minishard_index_encoding": "gzip", "data_encoding": "gzip",
    }  # fmt: skip
    cloud = CloudVolume(f"file://{folder}", info=info, progress=False)
    cloud.commit_info()
    chunks = cloud.image.make_shard_chunks(np.asfortranarray(IMAGE.T[..., np.newaxis]), cloud.bounds, mip=0)
    kept = {code: content for code, content in chunks.items() if code not in absent}
    name, content = cloud.image.make_shard(kept, cloud.bounds, mip=0)
    (folder / cloud.key).mkdir()
    (folder / cloud.key / name).write_bytes(content)
    return str(folder)


def test_chunks_that_a_shard_does_not_list_are_missing(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "part").mkdir()
    volume = opened(sharded(tmp_path / "whole", set()))
    assert volume.missing(volume.box) == []
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
    volume = opened(sharded(tmp_path / "part", {1, 6}))  # bits of the code: x, y, z of the grid
    assert volume.missing(volume.box) == [
        Box((-3, 20, -46), (1, 24, -42)),
        Box((1, 24, -50), (3, 27, -46)),
    ]
    before = volume.stamp
    (shard,) = (tmp_path / "part" / "4_4_40").iterdir()
    os.utime(shard, (1, 1))
    assert opened(str(tmp_path / "part")).stamp != before
    (shard.parent / "other").touch()
    shard.unlink()
    volume = opened(str(tmp_path / "part"))
    assert volume.missing(volume.box) == volume.chunks(volume.box)
    assert volume.read(volume.box).max() == 0


def two_levels(folder: Path) -> str:
    """The second has an origin and chunks of its own."""
    half = IMAGE[:, ::2, ::2][np.newaxis]
    scales = [
        add_level(folder, IMAGE[np.newaxis], ORIGIN, (40, 4, 4), (4, 4, 4)),
        add_level(folder, half, (-3, 10, -25), (40, 8, 8), (2, 3, 4)),
    ]
    write_info(folder, half, scales)
    return str(folder)


def test_a_level_has_its_own_origin_voxel_size_and_chunks(tmp_path: Path) -> None:
    uri = two_levels(tmp_path)
    for choice in (Choice(level=1), Choice(like_nm=(40, 8, 8))):
        volume = opened(uri, choice)
        assert volume.box == Box.of_shape((6, 4, 4), (-3, 10, -25))
        assert (volume.voxel_size_nm, volume.chunk) == ((40, 8, 8), (2, 3, 4))
        np.testing.assert_array_equal(volume.read(volume.box), IMAGE[:, ::2, ::2])
        assert volume.missing(volume.box) == []
    assert opened(uri).stamp != opened(uri, Choice(level=1)).stamp
    assert "levels are 0 (40 x 4 x 4 nm), 1 (40 x 8 x 8 nm)" in error_of(uri, Choice(level=2))


def test_levels_that_are_listed_otherwise_count_from_the_finest_too(tmp_path: Path) -> None:
    uri = two_levels(tmp_path)
    info = json.loads((Path(uri.removeprefix("precomputed://")) / "info").read_text())
    info["scales"].reverse()
    (Path(uri.removeprefix("precomputed://")) / "info").write_text(json.dumps(info))
    finest, coarse = opened(uri), opened(uri, Choice(level=1))
    assert finest.shape == SHAPE
    np.testing.assert_array_equal(finest.read(finest.box), IMAGE)
    assert coarse.shape == (6, 4, 4)
    assert "mip 1 of 2, its levels put in order" in coarse.format


def test_a_level_of_which_nothing_is_stored_is_told(tmp_path: Path) -> None:
    uri = two_levels(tmp_path)
    for chunk in (tmp_path / "8_8_40").iterdir():
        chunk.unlink()
    assert "nothing is stored at level 1 (40 x 8 x 8 nm)" in error_of(uri, Choice(level=1))
    (tmp_path / "8_8_40").rmdir()
    assert "set data.mip to another level" in error_of(uri, Choice(level=1))
    assert opened(uri).shape == SHAPE


def test_of_several_channels_one_is_chosen(tmp_path: Path) -> None:
    uri = write_precomputed(tmp_path, np.stack([IMAGE, 255 - IMAGE]), ORIGIN)
    assert "2 channels; set data.channel" in error_of(uri)
    volume = opened(uri, Choice(channel=1))
    np.testing.assert_array_equal(volume.read(volume.box), 255 - IMAGE)
    for z, y, x in ((0, 0, 0), (2, 1, 1), (5, 6, 7)):
        one = Box.of_shape((1, 1, 1), (z, y, x)).translate(ORIGIN)
        assert volume.read(one).item() == 255 - IMAGE[z, y, x]


def test_axes_can_be_named_anew(tmp_path: Path) -> None:
    uri = write_precomputed(tmp_path, IMAGE, (1, 2, 3), (4, 5, 6), (2, 3, 4))
    volume = opened(uri, Choice(axes="zyx"))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE.T)
    assert (volume.box.start, volume.voxel_size_nm, volume.chunk) == ((3, 2, 1), (6, 5, 4), (4, 3, 2))
    assert volume.missing(volume.box) == []
    assert "it names three, as xyz" in error_of(uri, Choice(axes="tzyx"))


@pytest.mark.parametrize(
    ("encoding", "dtype", "kind"),
    [
        ("compressed_segmentation", np.uint64, "segmentation"),
        ("png", np.uint8, "image"),
        ("raw", np.float32, "image"),
    ],
)
def test_encodings_without_loss_give_back_what_was_written(
    encoding: str, dtype: type, kind: str, tmp_path: Path
) -> None:
    if encoding == "png":
        pytest.importorskip("pyspng", reason="CloudVolume reads png by pyspng")
    array: np.ndarray = IMAGE.astype(dtype)
    CloudVolume.from_numpy(
        array.T[..., np.newaxis], f"file://{tmp_path}/v", resolution=(4, 4, 40), voxel_offset=ORIGIN[::-1],
        chunk_size=(4, 4, 4), layer_type=kind, encoding=encoding, progress=False,
    )  # fmt: skip
    volume = opened(f"{tmp_path}/v")
    np.testing.assert_array_equal(volume.read(volume.box), array)
    assert volume.missing(volume.box) == []


def test_an_encoding_that_is_not_installed_is_told_at_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = write_precomputed(tmp_path, IMAGE)
    info = tmp_path / "precomputed" / "info"
    info.write_text(info.read_text().replace('"raw"', '"png"'))
    monkeypatch.setitem(NEEDS_INSTALL, "png", "pyspng-seunglab")
    assert "png is not installed. Run: pip install pyspng-seunglab" in error_of(uri)


def test_jpeg_is_read(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.arange(100, 108, dtype=np.uint8), SHAPE)
    CloudVolume.from_numpy(
        smooth.T[..., np.newaxis], f"file://{tmp_path}/v", resolution=(4, 4, 40), chunk_size=(8, 8, 8),
        layer_type="image", encoding="jpeg", progress=False,
    )  # fmt: skip
    volume = opened(f"{tmp_path}/v")
    assert np.abs(volume.read(volume.box).astype(int) - smooth).max() <= 8


@pytest.mark.parametrize(("encoding", "name"), [("jpeg", "JPEG"), ("jxl", "JPEG XL")])
def test_ids_are_not_read_from_an_encoding_that_loses(
    encoding: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = write_precomputed(tmp_path, IMAGE)
    info = tmp_path / "precomputed" / "info"
    info.write_text(info.read_text().replace('"raw"', f'"{encoding}"'))
    monkeypatch.delitem(NEEDS_INSTALL, encoding, raising=False)
    with pytest.raises(InputError, match=f"is stored as {name}, which changes ids"):
        LabelVolume(open_volume(uri))


def test_of_an_address_files_are_asked_for(tmp_path: Path) -> None:
    cloudpath = "mem://bucket/volume"
    CloudVolume.from_numpy(
        IMAGE.T[..., np.newaxis], cloudpath, resolution=(4, 4, 40), voxel_offset=ORIGIN[::-1],
        chunk_size=(4, 4, 4), layer_type="image", progress=False,
    )  # fmt: skip
    volume = PrecomputedVolume(cloudpath, Choice())
    assert volume.missing(volume.box) == []
    gone = Box((-3, 20, -50), (1, 24, -46))
    CloudVolume(cloudpath, progress=False).delete(np.s_[-50:-46, 20:24, -3:1])
    assert volume.missing(volume.box) == [gone]
    assert volume.stamp.startswith("mem://bucket/volume/4_4_40 ")


def test_a_gzipped_info_is_read_and_part_of_the_identity(tmp_path: Path) -> None:
    uri = write_precomputed(tmp_path, IMAGE)
    info = tmp_path / "precomputed" / "info"
    content = json.loads(info.read_text())
    info.unlink()
    (info.parent / "info.gz").write_bytes(gzip.compress(json.dumps(content).encode()))
    before = opened(uri).stamp
    content["scales"][0]["resolution"] = [2, 2, 2]
    (info.parent / "info.gz").write_bytes(gzip.compress(json.dumps(content).encode()))
    assert opened(uri).voxel_size_nm == (2, 2, 2)
    assert opened(uri).stamp != before


def test_identity_stays_until_a_chunk_changes(tmp_path: Path) -> None:
    uri = write_precomputed(tmp_path, IMAGE)
    before = opened(uri).stamp
    assert opened(uri).stamp == before
    os.utime(tmp_path / "precomputed" / "1_1_1" / "0-4_4-7_0-4", (1, 1))
    assert opened(uri).stamp != before


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("neuroglancer_legacy_mesh", "holds meshes"),
        ("neuroglancer_skeletons", "holds skeletons"),
        ("neuroglancer_annotations_v1", "holds annotations"),
    ],
)
def test_folders_of_other_things_are_named(kind: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "info").write_text(json.dumps({"@type": kind}))
    assert told in error_of(str(tmp_path))


def test_other_formats_are_named() -> None:
    for address, told in (("graphene://https://x.org/a/b", "graphene"), ("n5://gs://x/a", "n5://PATH")):
        with pytest.raises(InputError, match=f"is not Neuroglancer precomputed but .*{told}"):
            PrecomputedVolume(address, Choice())
    with pytest.raises(InputError, match="graphene"):
        open_volume("graphene://https://x.org/a/b")


def test_what_is_no_volume_is_told(tmp_path: Path) -> None:
    assert "no precomputed volume there" in error_of(str(tmp_path / "none"))
    (tmp_path / "info").write_text("{}")
    assert "is not a precomputed volume" in error_of(str(tmp_path))
    (tmp_path / "info").write_text('{"scales": [{}], "num_channels": 1, "data_type": "uint8"}')
    assert str(tmp_path) in error_of(str(tmp_path))


def test_a_torn_chunk_is_an_input_error(tmp_path: Path) -> None:
    volume = opened(write_precomputed(tmp_path, IMAGE, ORIGIN))
    (tmp_path / "precomputed" / "1_1_1" / "-50--46_20-24_-3-1").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"cannot read box -3:3,20:27,-50:-42"):
        volume.read(volume.box)
