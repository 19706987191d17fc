"""A precomputed volume in a bucket of a real S3 server, as image or labels of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorstore
from cloudfiles.interfaces import S3Interface
from tenacity import stop_after_attempt
from writers_precomputed import write_precomputed

from pipeline.errors import InputError, Unreadable
from pipeline.geometry import Box
from pipeline.machine.s3_host import by_alias
from pipeline.volumes import open_volume
from pipeline.volumes.content import content
from tests.local_s3 import LocalS3

ORIGIN = (-3, 20, -50)
IMAGE = np.random.default_rng(1).integers(0, 256, (9, 7, 8), dtype=np.uint8)


@pytest.fixture
def bucket(s3: LocalS3) -> str:
    return s3.bucket()


def upload(s3: LocalS3, bucket: str, folder: Path) -> str:
    """Copy a volume; what opens it. A suffix becomes the object's encoding, as CloudVolume writes it."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        encoding = {"ContentEncoding": "gzip"} if path.suffix == ".gz" else {}
        s3.client.put_object(
            Bucket=bucket, Key=f"em/{name.removesuffix('.gz')}", Body=path.read_bytes(), **encoding
        )
    return f"precomputed://{s3.uri(bucket, 'em')}"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_volume_of_chunks_is_read_and_what_is_missing_is_known(
    s3: LocalS3, bucket: str, tmp_path: Path, compressed: bool
) -> None:
    write_precomputed(tmp_path, IMAGE, ORIGIN, (40, 8, 4), compressed=compressed)
    volume = open_volume(upload(s3, bucket, tmp_path / "precomputed"))
    assert volume.box == Box.of_shape((9, 7, 8), ORIGIN)
    assert volume.voxel_size_nm == (40, 8, 4)
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
    assert volume.missing(volume.box) == []
    gone = "em/4_8_40/" + "_".join(f"{at}-{at + 4}" for at in ORIGIN[::-1])
    s3.client.delete_object(Bucket=bucket, Key=gone)
    again = open_volume(f"precomputed://{volume.uri}")
    assert again.missing(again.box) == [Box.of_shape((4, 4, 4), ORIGIN)]
    s3.client.put_object(Bucket=bucket, Key=gone, Body=b"")  # as an upload leaves it that found no room
    assert again.missing(again.box) == [Box.of_shape((4, 4, 4), ORIGIN)]
    assert not again.read(Box.of_shape((4, 4, 4), ORIGIN)).any()


def test_a_volume_of_shards_is_read(s3: LocalS3, bucket: str, tmp_path: Path) -> None:
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": 1,
        "hash": "identity",
        "minishard_bits": 1,
        "shard_bits": 1,
        "minishard_index_encoding": "gzip",
        "data_encoding": "gzip",
    }
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{tmp_path}/em/"},
        "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
        "scale_metadata": {
            "size": IMAGE.shape[::-1],
            "encoding": "raw",
            "chunk_size": (4, 4, 4),
            "resolution": (4, 8, 40),
            "voxel_offset": ORIGIN[::-1],
            "sharding": sharding,
        },
    }
    store = tensorstore.open(spec, create=True).result()
    store[...] = IMAGE.T[..., np.newaxis]
    volume = open_volume(upload(s3, bucket, tmp_path / "em"))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
    assert volume.missing(volume.box) == []


def test_the_identity_is_of_the_address_and_the_info(s3: LocalS3, bucket: str, tmp_path: Path) -> None:
    write_precomputed(tmp_path, IMAGE, ORIGIN)
    uri = upload(s3, bucket, tmp_path / "precomputed")
    before = open_volume(uri).stamp
    assert open_volume(uri).stamp == before
    info = (tmp_path / "precomputed" / "info").read_text().replace('"image"', '"segmentation"')
    s3.client.put_object(Bucket=bucket, Key="em/info", Body=info.encode())
    assert open_volume(uri).stamp != before


def test_a_bucket_that_refuses_leaves_the_volume_what_it_was(
    s3: LocalS3, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_precomputed(tmp_path, IMAGE, ORIGIN)
    volume = open_volume(upload(s3, bucket, tmp_path / "precomputed"))
    assert content(volume)
    s3.deny(bucket, "s3:GetObject")
    monkeypatch.setattr(S3Interface.get_file.retry, "stop", stop_after_attempt(1))
    with pytest.raises(Unreadable, match=r"cannot read box .*403.*; see whether it can be reached"):
        content(volume)
    with pytest.raises(Unreadable, match=r"cannot be opened: .*403.*; see whether it can be reached"):
        open_volume(f"precomputed://{volume.uri}")


@pytest.mark.usefixtures("s3")
def test_a_server_in_place_of_a_bucket_is_told_how_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3Interface.get_file.retry, "stop", stop_after_attempt(1))
    with pytest.raises(InputError, match=r"Invalid bucket name .*; .* is written s3://https://HOST/BUCKET"):
        open_volume("precomputed://s3://minio.lab.org:9000/bucket/em")


def test_an_empty_bucket_holds_no_volume(s3: LocalS3, bucket: str) -> None:
    with pytest.raises(InputError, match="no precomputed volume there"):
        open_volume(f"precomputed://{s3.uri(bucket, 'em')}")


def test_a_host_is_known_by_a_name_of_letters_and_digits() -> None:
    assert by_alias("s3://https://s3.lab-1.org:9000/b/v") == "https_s3_lab_1_org_9000://b/v"
    for address in ("s3://bucket/v", "gs://bucket/v", "file:///folder", "https://host/v"):
        assert by_alias(address) == address
