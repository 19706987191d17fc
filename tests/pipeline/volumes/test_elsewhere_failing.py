"""Servers and buckets that fail, refuse or damage what they have: no volume is black by that."""

from __future__ import annotations

import gzip
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from published import IMAGE, PLACE, Publish, files, split, to_amazon
from writers import FORMATS, Place

from pipeline.errors import InputError, Unreadable
from pipeline.geometry import Box
from pipeline.machine import stores
from pipeline.volumes import Volume, open_volume
from pipeline.volumes.content import content
from tests.local_s3 import LocalS3
from tests.local_web import LocalWeb


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


def test_a_server_that_does_not_say_how_long_a_shard_is_is_told(tmp_path: Path, web_server: LocalWeb) -> None:
    folder, part = split(FORMATS["sharded zarr"].write(tmp_path / "web", IMAGE, PLACE))
    web_server.lengths = False
    volume = open_volume(f"{web_server.address}/{folder.name}{part}")
    assert volume.missing(volume.box) == []
    with pytest.raises(InputError, match="does not say how long it is, as a volume in shards needs"):
        volume.read(volume.box)


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


def test_a_chunk_that_a_bucket_refuses_as_all_that_it_does_not_have_is_missing(
    s3: LocalS3, tmp_path: Path, refused: list[str]
) -> None:
    """As Amazon does to who may not list."""
    folder, _ = split(FORMATS["precomputed"].write(tmp_path, IMAGE, Place()).removeprefix("precomputed://"))
    gone = next(path for path in files(folder) if path.name.startswith("4-8_0-4_4-7"))
    gone.unlink()
    local = open_volume(f"precomputed://{folder}")
    missing, voxels = local.missing(local.box), local.read(local.box)
    assert len(missing) == 1

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


@pytest.mark.parametrize("name", ["ome-zarr 0.4", "n5", "precomputed"])
def test_a_volume_that_is_given_no_more_is_not_black_though_another_beside_it_still_is(
    name: str, s3: LocalS3, web_server: LocalWeb, tmp_path: Path, refused: list[str]
) -> None:
    """Where whoever asks may not list, and a person closes one of two folders."""
    bucket, scheme = s3.bucket(), {"ome-zarr 0.4": "zarr", "n5": "n5", "precomputed": "precomputed"}[name]
    there: dict[str, list[Volume]] = {"em": [], "labels": []}
    for which, volumes in there.items():
        folder, part = split(FORMATS[name].write(tmp_path / "web", IMAGE, PLACE).removeprefix(f"{scheme}://"))
        for packed in folder.rglob("*.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
        for path in files(folder):
            key = f"{which}/{path.relative_to(folder).as_posix()}"
            s3.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        folder.rename(tmp_path / "web" / which)
        for address in (s3.uri(bucket, which), f"{web_server.address}/{which}"):
            volumes.append(open_volume(f"{scheme}://{address}{part}"))
            np.testing.assert_array_equal(volumes[-1].read(volumes[-1].box), IMAGE)
    refused[:], web_server.absent = ["/em/", "none-"], 403
    (tmp_path / "web" / "em").rename(tmp_path / "closed")
    for em, labels in zip(there["em"], there["labels"]):
        np.testing.assert_array_equal(labels.read(labels.box), IMAGE)
        for ask in (em.read, em.missing):
            with pytest.raises(Unreadable, match=r"403|AccessDenied"):
                ask(em.box)
