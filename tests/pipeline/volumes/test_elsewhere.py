"""Zarr and N5 in buckets of S3 and Google, and on a web server, are what they are in a folder."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zarr
from cloudfiles.interfaces import S3Interface
from published import IMAGE, PLACE, SHAPE, Publish, files, split, to_amazon
from writers import FORMATS, Place

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import Choice, open_volume
from pipeline.volumes.content import content
from tests.local_s3 import LocalS3
from tests.local_web import LocalWeb

STORED = [name for name in FORMATS if "zarr" in name or "n5" in name]
IN_BUCKETS = ("ome-zarr 0.4", "sharded zarr", "n5 cosem")
"""What is tried in buckets too; those of a web server are asked in no other words."""


@pytest.mark.parametrize(
    ("publish", "name"),
    [("web", name) for name in STORED] + [(where, name) for where in ("s3", "gs") for name in IN_BUCKETS],
    indirect=["publish"],
)
def test_it_is_what_it_is_in_a_folder(name: str, tmp_path: Path, publish: Publish) -> None:
    uri = FORMATS[name].write(tmp_path, IMAGE, PLACE)
    local = open_volume(uri)
    described, known, chunks = (local.box, local.frame, local.format), content(local), local.chunks(local.box)
    folder, part = split(uri)
    data = [path for path in files(folder) if not path.name.startswith((".z", "zarr", "attr"))]
    gone = sorted(path for path in data if "1" not in path.relative_to(folder).parts[:1])[3]
    gone.unlink()
    missing, voxels = local.missing(local.box), open_volume(uri).read(local.box)
    assert len(missing) == 1
    volume = open_volume(publish(folder) + part)
    assert (volume.box, volume.frame, volume.format) == described
    assert volume.is_remote
    assert volume.chunks(volume.box) == chunks
    assert volume.missing(volume.box) == missing
    np.testing.assert_array_equal(volume.read(volume.box), voxels)
    inner = Box((12, -15, 33), (15, -10, 41))
    np.testing.assert_array_equal(volume.read(inner), voxels[inner.slices(volume.box.start)])
    assert content(volume) == content(open_volume(volume.uri)) != known


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("ome-zarr 0.4", "{}"),
        ("ome-zarr 0.5", "zarr://{}"),
        ("ome-zarr 0.4", "{}/|zarr2:"),
        ("ome-zarr 0.5", "{}|zarr3:"),
        ("ome-zarr 0.4", "zarr2://{}"),
        ("ome-zarr 0.4", "{}:0"),
        ("ome-zarr 0.4", "{}/0"),
        ("ome-zarr 0.4", "{}/|zarr2:0"),
        ("n5", "{}:raw"),
        ("n5", "n5://{}/raw"),
        ("n5", "{}|n5:raw"),
        ("precomputed", "{}"),
    ],
)
def test_it_is_named_in_many_ways(name: str, written: str, tmp_path: Path, s3: LocalS3) -> None:
    folder, _ = split(FORMATS[name].write(tmp_path, IMAGE, PLACE).removeprefix("precomputed://"))
    volume = open_volume(written.format(to_amazon(s3, folder)))
    assert volume.box == Box.of_shape(SHAPE, PLACE.origin)
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_a_level_is_chosen_as_of_a_folder(tmp_path: Path, publish: Publish) -> None:
    folder = Path(FORMATS["ome-zarr 0.4"].write(tmp_path, IMAGE, Place()))
    volume = open_volume(publish(folder), Choice(level=1))
    assert volume.voxel_size_nm == (12, 10, 8)
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE[::2, ::2, ::2])


def test_levels_of_n5_are_found_without_a_list(tmp_path: Path, publish: Publish) -> None:
    uri = FORMATS["n5 cosem"].write(tmp_path, IMAGE, PLACE)
    group = Path(uri.partition(":")[0]) / "em"
    (group / "s0").rename(group / "s1")
    volume = open_volume(publish(group.parent) + ":em")
    assert volume.format == "N5, level s1 of 1"
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_what_is_not_there_is_one_line_with_what_is(tmp_path: Path, publish: Publish) -> None:
    group = Path(FORMATS["zarr group"].write(tmp_path, IMAGE, PLACE).partition("://")[2].partition(":")[0])
    there = publish(group.rename(tmp_path / "v.zarr"))
    listed = "unknown, as they are not listed there" if there.startswith("http") else "raw (7 x 11 x 13)"
    for uri, said in (
        (there, f"{there}: to be given as PATH:ARRAY; its arrays: {listed}"),
        (f"{there}/labels", f"{there}: no array 'labels'; its arrays: {listed}"),
        (f"{there.removesuffix('v.zarr')}em", "has neither info .Neuroglancer precomputed., zarr.json"),
        (f"n5://{there}", f"{there}: to be given as PATH:DATASET; its datasets: "),
        (f"zarr://{there.removesuffix('v.zarr')}other", "is not readable as Zarr: it holds no array"),
    ):
        with pytest.raises(InputError, match=said.replace("(7 x", r"\(7 x").replace("13)", r"13\)")):
            open_volume(uri)


def in_folders(folder: Path) -> Path:
    """An array whose chunks are 0/0/0 and of which .zarray does not say so; the first chunk is not there."""
    stored = zarr.create_array(
        str(folder), shape=SHAPE, dtype=IMAGE.dtype, chunks=(4, 4, 4), zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )  # fmt: skip
    stored[...] = IMAGE
    (folder / "0" / "0" / "0").unlink()
    described = folder / ".zarray"
    said = json.loads(described.read_text())
    del said["dimension_separator"]
    described.write_text(json.dumps(said))
    return folder


def test_chunks_in_folders_of_which_the_metadata_do_not_say_so_are_one_line(
    tmp_path: Path, publish: Publish
) -> None:
    """Where they should be there is nothing: all were black."""
    there = publish(in_folders(tmp_path / "v.zarr"))
    with pytest.raises(InputError, match='put "dimension_separator": "/" into it'):
        open_volume(there)


def test_a_bucket_of_many_chunks_is_not_listed(
    tmp_path: Path, s3: LocalS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = zarr.create_array(
        str(tmp_path / "v.zarr"), shape=SHAPE, dtype=IMAGE.dtype, chunks=(4, 4, 4), zarr_format=2
    )
    stored[...] = IMAGE
    there = to_amazon(s3, tmp_path / "v.zarr")
    monkeypatch.setattr(S3Interface, "list_files", lambda *_, **__: pytest.fail("it was listed"))
    volume = open_volume(there)
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_the_stamp_is_of_what_describes_it(tmp_path: Path, web_server: LocalWeb) -> None:
    folder = Path(FORMATS["ome-zarr 0.4"].write(tmp_path / "web", IMAGE, PLACE))
    uri = f"{web_server.address}/{folder.name}"
    before = open_volume(uri).stamp
    assert before.startswith(f"{uri}/0 ")
    assert open_volume(uri).stamp == before
    attributes = folder / ".zattrs"
    attributes.write_text(attributes.read_text() + "\n")
    assert open_volume(uri).stamp != before


def test_a_setup_of_big_data_viewer_may_lie_in_a_bucket_itself(tmp_path: Path, s3: LocalS3) -> None:
    """Beside which there is no XML."""
    uri = FORMATS["n5"].write(tmp_path, IMAGE, Place())
    bucket = s3.bucket()
    for path in files(folder := Path(uri.partition(":")[0]) / "raw"):
        key = f"setup0/timepoint0/s0/{path.relative_to(folder).as_posix()}"
        s3.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    volume = open_volume(s3.uri(bucket, "setup0/timepoint0/s0"))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_images_side_by_side_are_found_without_a_list(tmp_path: Path, publish: Publish) -> None:
    """As bioformats2raw leaves them."""
    whole = tmp_path / "both.zarr"
    whole.mkdir()
    Path(FORMATS["ome-zarr 0.4"].write(tmp_path, IMAGE, PLACE)).rename(whole / "0")
    (whole / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    volume = open_volume(publish(whole))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


@pytest.mark.parametrize("uri", ["zarr://S3://b/v", "s3://https://host", "n5://ftp://h/v.n5", "https://"])
def test_addresses_that_are_none_are_told_how_they_are_written(uri: str) -> None:
    with pytest.raises(
        InputError, match=r"leads nowhere: an address is s3://BUCKET/FOLDER, s3://https://HOST"
    ):
        open_volume(uri)


def test_volumes_below_a_folder_that_is_none_are_named(tmp_path: Path, publish: Publish) -> None:
    """The nearest first, and nothing that lies in one of them."""
    sample = tmp_path / "sample"
    for name, below in (("em.zarr", "ome-zarr 0.4"), ("more/labels.n5", "n5")):
        written, _ = split(FORMATS[below].write(tmp_path, IMAGE, PLACE))
        (sample / name).parent.mkdir(parents=True, exist_ok=True)
        written.rename(sample / name)
    (sample / "more" / "em").mkdir()
    (sample / "more" / "em" / "info").write_text("{}")
    there = publish(sample)
    found = "" if there.startswith("http") else "; volumes below it: em.zarr, more/labels.n5, more/em"
    with pytest.raises(InputError, match=rf"nor attributes.json \(N5\){found}$"):
        open_volume(there)


def test_of_many_volumes_below_a_few_are_named_by_few_requests(
    s3: LocalS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    for number in range(70):
        s3.client.put_object(Bucket=bucket, Key=f"all/of{number:02}/a/em/info", Body=b"{}")
    listed, ask = Counter[str](), S3Interface.list_files

    def list_files(store: S3Interface, *given: object, **settings: object) -> object:
        listed[store._path.path] += 1
        return ask(store, *given, **settings)

    monkeypatch.setattr(S3Interface, "list_files", list_files)
    with pytest.raises(InputError, match=r"nor attributes.json \(N5\)$"):
        open_volume(s3.uri(bucket, "all"))
    assert listed.total() <= 60
    with pytest.raises(InputError, match=r"volumes below it: a/em$"):
        open_volume(s3.uri(bucket, "all/of03"))
    for number in range(10):
        s3.client.put_object(Bucket=bucket, Key=f"ten/{number}/info", Body=b"{}")
    with pytest.raises(InputError, match=r"below it: 0, 1, 2, 3, 4, 5, 6, 7, and others$"):
        open_volume(s3.uri(bucket, "ten"))


def test_a_bucket_may_be_a_volume_itself(
    tmp_path: Path, s3: LocalS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a part of it be named."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.address)
    folder, part = split(FORMATS["n5"].write(tmp_path, IMAGE, PLACE))
    bucket = s3.bucket()
    for path in files(folder):
        s3.client.put_object(Bucket=bucket, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())
    for uri in (f"s3://{bucket}{part}", f"n5://s3://{bucket}{part}"):
        volume = open_volume(uri)
        np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
