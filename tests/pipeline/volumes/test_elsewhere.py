"""Zarr and N5 in buckets of S3 and Google, and on a web server, are what they are in a folder."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from botocore.awsrequest import AWSResponse
from cloudfiles.interfaces import HttpInterface, S3Interface
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tenacity import stop_after_attempt
from writers import FORMATS, Place

from pipeline.errors import InputError, Unreadable
from pipeline.geometry import Box
from pipeline.machine import stores
from pipeline.volumes import Choice, Volume, open_volume, web
from pipeline.volumes.content import content
from tests.local_gcs import LocalGcs
from tests.local_s3 import Body, LocalS3
from tests.local_web import LocalWeb, local_web

SHAPE = (7, 11, 13)
IMAGE = np.random.default_rng(1).integers(1, 256, SHAPE, dtype=np.uint8)
PLACE = Place(origin=(10, -20, 30))
STORED = [name for name in FORMATS if "zarr" in name or "n5" in name]
IN_BUCKETS = ("ome-zarr 0.4", "sharded zarr", "n5 cosem")
"""What is tried in buckets too; those of a web server are asked in no other words."""

Publish = Callable[[Path], str]
"""Puts a folder somewhere, and gives the address of what it has become."""


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[LocalWeb]:
    (tmp_path / "web").mkdir()
    with local_web(tmp_path / "web") as server:
        server.ranges = True
        yield server


@pytest.fixture(params=["s3", "gs", "web"])
def publish(request: pytest.FixtureRequest, tmp_path: Path) -> Publish:
    if request.param == "web":
        server = request.getfixturevalue("web_server")

        def to_server(folder: Path) -> str:
            folder.rename(tmp_path / "web" / folder.name)
            return f"{server.address}/{folder.name}"

        return to_server
    if request.param == "gs":
        gcs: LocalGcs = request.getfixturevalue("gcs")

        def to_google(folder: Path) -> str:
            bucket = gcs.bucket()
            for path in files(folder):
                gcs.put(bucket, path.relative_to(folder.parent).as_posix(), path.read_bytes())
            return gcs.uri(bucket, folder.name)

        return to_google
    return lambda folder: to_amazon(request.getfixturevalue("s3"), folder)


def to_amazon(s3: LocalS3, folder: Path) -> str:
    bucket = s3.bucket()
    for path in files(folder):
        key = path.relative_to(folder.parent).as_posix()
        encoding = {"ContentEncoding": "gzip"} if path.suffix == ".gz" else {}
        body = path.read_bytes()
        s3.client.put_object(Bucket=bucket, Key=key.removesuffix(".gz"), Body=body, **encoding)
    return s3.uri(bucket, folder.name)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def split(uri: str) -> tuple[Path, str]:
    """What a writer has written: its folder, and what of that is meant, `:raw` or nothing."""
    path, colon, part = uri.removeprefix("zarr://").partition(":")
    if ".zarr/" in path:
        path, _, below = path.partition(".zarr/")
        return Path(f"{path}.zarr"), f"/{below}{colon}{part}"
    return Path(path), colon + part


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


@pytest.mark.parametrize("name", ["ome-zarr 0.4", "ome-zarr 0.5", "sharded zarr", "n5"])
def test_what_is_torn_is_one_line(name: str, tmp_path: Path, publish: Publish) -> None:
    uri = FORMATS[name].write(tmp_path, IMAGE, PLACE)
    folder, part = split(uri)
    data = [path for path in files(folder) if not path.name.startswith((".z", "zarr", "attr"))]
    for path in data:
        path.write_bytes(path.read_bytes()[:-5])
    volume = open_volume(publish(folder) + part)
    box = Box((10, -20, 30), (11, -19, 31))  # of one chunk: no other is still asked for when it is known
    with pytest.raises(InputError, match=f"cannot read box {box}: ") as caught:
        volume.read(box)
    assert not isinstance(caught.value, Unreadable)


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


def test_a_server_that_does_not_say_how_long_a_shard_is_is_told(tmp_path: Path, web_server: LocalWeb) -> None:
    folder, part = split(FORMATS["sharded zarr"].write(tmp_path / "web", IMAGE, PLACE))
    web_server.lengths = False
    volume = open_volume(f"{web_server.address}/{folder.name}{part}")
    assert volume.missing(volume.box) == []
    with pytest.raises(InputError, match="does not say how long it is, as a volume in shards needs"):
        volume.read(volume.box)


def test_the_stamp_is_of_what_describes_it(tmp_path: Path, web_server: LocalWeb) -> None:
    folder = Path(FORMATS["ome-zarr 0.4"].write(tmp_path / "web", IMAGE, PLACE))
    uri = f"{web_server.address}/{folder.name}"
    before = open_volume(uri).stamp
    assert before.startswith(f"{uri}/0 ")
    assert open_volume(uri).stamp == before
    attributes = folder / ".zattrs"
    attributes.write_text(attributes.read_text() + "\n")
    assert open_volume(uri).stamp != before


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server does not do at once is not asked for again."""
    for asked in (HttpInterface.get_file, S3Interface.get_file, web.status):
        monkeypatch.setattr(asked.retry, "stop", stop_after_attempt(1))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["ome-zarr 0.4", "ome-zarr 0.5", "sharded zarr", "n5"])
@pytest.mark.parametrize("code", [403, 500])
def test_a_server_that_fails_in_the_midst_leaves_nothing_black(
    name: str, code: int, tmp_path: Path, web_server: LocalWeb
) -> None:
    folder, part = split(FORMATS[name].write(tmp_path / "web", IMAGE, PLACE))
    volume = open_volume(uri := f"{web_server.address}/{folder.name}{part}")
    before = content(volume)
    for absent in (404, 403):
        web_server.absent = absent
        web_server.everything = code
        for ask in (volume.read, volume.missing, lambda _: content(volume), lambda _: open_volume(uri)):
            with pytest.raises(Unreadable, match=rf"{code}.*; see whether it can be reached"):
                ask(volume.box)
        web_server.everything = 0
    assert content(volume) == before


@pytest.mark.parametrize("name", ["ome-zarr 0.4", "n5"])
def test_a_server_that_refuses_what_it_does_not_have_is_read(
    name: str, tmp_path: Path, web_server: LocalWeb
) -> None:
    """As S3 does to who may not list."""
    web_server.absent = 403
    folder, part = split(FORMATS[name].write(tmp_path / "web", IMAGE, PLACE))
    volume = open_volume(f"{web_server.address}/{folder.name}{part}")
    assert volume.missing(volume.box) == []
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
    with pytest.raises(
        InputError, match=r"or the server refuses to show it \(403\): see whether the address"
    ):
        open_volume(f"{web_server.address}/nothing")


def test_a_chunk_in_an_archive_is_not_black(tmp_path: Path, web_server: LocalWeb) -> None:
    """As Amazon says of what its owner has put into Glacier: 403, as of what is not there."""
    web_server.absent = 403
    folder = Path(FORMATS["ome-zarr 0.4"].write(tmp_path / "web", IMAGE, PLACE))
    volume = open_volume(f"{web_server.address}/{folder.name}")
    chunk = next(path for path in files(folder / "0") if not path.name.startswith(".z"))
    web_server.answers[chunk.name], web_server.explained = [403], "<Code>InvalidObjectState</Code>"
    for ask in (volume.read, volume.missing):
        with pytest.raises(Unreadable, match="is in an archive"):
            ask(volume.box)


@pytest.mark.parametrize("name", ["ome-zarr 0.4", "ome-zarr 0.5", "n5"])
def test_a_page_that_is_shown_for_what_is_not_there_is_no_metadata(
    name: str, tmp_path: Path, web_server: LocalWeb
) -> None:
    web_server.page = b"\n<!DOCTYPE html><title>Welcome</title>"
    folder, part = split(FORMATS[name].write(tmp_path / "web", IMAGE, PLACE))
    volume = open_volume(f"{web_server.address}/{folder.name}{part}")
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_a_bucket_that_refuses_is_told_and_says_nothing_of_the_volume(s3: LocalS3, tmp_path: Path) -> None:
    uri = to_amazon(s3, Path(FORMATS["ome-zarr 0.4"].write(tmp_path, IMAGE, PLACE)))
    volume = open_volume(uri)
    before = content(volume)
    bucket = uri.split("/")[-2]
    s3.deny(bucket, "s3:GetObject")
    for ask in (lambda: volume.read(volume.box), lambda: content(volume), lambda: open_volume(uri)):
        with pytest.raises(Unreadable, match=r"403|AccessDenied"):
            ask()
    s3.client.delete_bucket_policy(Bucket=bucket)
    assert content(open_volume(uri)) == before


@pytest.mark.parametrize("name", ["ome-zarr 0.4", "n5", "precomputed"])
def test_a_public_bucket_is_read_without_credentials(
    name: str, s3: LocalS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which does not say what is not there: it may not be listed."""
    folder, part = split(FORMATS[name].write(tmp_path, IMAGE, PLACE).removeprefix("precomputed://"))
    uri = to_amazon(s3, folder) + part
    bucket = uri.split("/")[5]
    s3.forget_credentials(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=r"no credentials were found, so it was asked without|403"):
        open_volume(uri)
    s3.open_to_all(bucket)
    volume = open_volume(uri)
    assert volume.format.endswith(", without credentials")
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
    s3.client.delete_bucket_policy(Bucket=bucket)
    for ask in (lambda: volume.read(volume.box), lambda: content(volume)):
        with pytest.raises(Unreadable, match=r"403.*; no credentials were found, so it was asked without"):
            ask()


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


def self_signed(folder: Path) -> ssl.SSLContext:
    """By a certificate of its own for localhost, `own.pem` in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    own = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "own.pem").write_bytes(own)
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*kinds))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("address", "variable"),
    [
        ("https://localhost:{}/v.npz", "REQUESTS_CA_BUNDLE"),
        ("s3://https://localhost:{}/v/em", "AWS_CA_BUNDLE"),
    ],
)
def test_a_certificate_that_nobody_vouches_for_is_told_at_once_with_what_mends_it(
    address: str,
    variable: str,
    s3: LocalS3,
    tmp_path: Path,
    web_server: LocalWeb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web_server.socket = self_signed(tmp_path).wrap_socket(web_server.socket, server_side=True)
    monkeypatch.setattr(stores, "TOLD", set())
    uri = address.format(web_server.server_port)
    with pytest.raises(Unreadable, match=rf"certificate.*; set {variable} in the environment to a file"):
        open_volume(uri)
    assert not stores.TOLD
    monkeypatch.setenv(variable, str(tmp_path / "own.pem"))
    if variable == "REQUESTS_CA_BUNDLE":  # a client of S3 has been made by now
        with pytest.raises(InputError, match="is no volume that is read from there"):
            open_volume(uri)


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


def test_a_chunk_that_a_bucket_refuses_as_all_that_it_does_not_have_is_missing(
    s3: LocalS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Amazon does to who may not list."""
    folder, _ = split(FORMATS["precomputed"].write(tmp_path, IMAGE, Place()).removeprefix("precomputed://"))
    gone = next(path for path in files(folder) if path.name.startswith("4-8_0-4_4-7"))
    gone.unlink()
    local = open_volume(f"precomputed://{folder}")
    missing, voxels = local.missing(local.box), local.read(local.box)
    assert len(missing) == 1
    refused, create = list[str](), stores.AmazonPool._create_connection

    def answer(request: Any, **_: object) -> AWSResponse | None:
        if any(name in request.url for name in refused):
            return AWSResponse(request.url, 403, {}, Body(b"<Error><Code>AccessDenied</Code></Error>"))
        return None

    def create_refusing(pool: stores.AmazonPool, *given: Any) -> Any:
        client = create(pool, *given)
        client.meta.events.register("before-send.s3", answer)
        return client

    monkeypatch.setattr(stores.AmazonPool, "_create_connection", create_refusing)

    def is_told(volume: Volume) -> None:
        for ask in (volume.read, volume.missing):
            with pytest.raises(Unreadable, match=r"403|AccessDenied"):
                ask(volume.box)

    volume = open_volume(f"precomputed://{to_amazon(s3, folder)}")
    refused[:] = [""]
    is_told(volume)
    refused[:] = [gone.name.removesuffix(".gz"), "none-"]
    assert volume.missing(volume.box) == missing
    np.testing.assert_array_equal(volume.read(volume.box), voxels)
    refused[:] = [""]
    is_told(volume)
