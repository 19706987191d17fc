"""How CloudFiles asks buckets: with the credentials that are found, without any, and not in vain."""

from __future__ import annotations

import subprocess
import sys
from hashlib import md5
from pathlib import Path
from typing import Any

import google.auth
import pytest
from botocore.awsrequest import AWSResponse
from cloudfiles import interfaces
from cloudfiles.exceptions import MD5IntegrityError
from google.api_core.exceptions import RetryError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError

from pipeline.machine import stores
from pipeline.results.bucket import Bucket
from tests.local_s3 import Body, LocalS3


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where Google's library has looked everywhere."""

    def found_none() -> None:
        raise DefaultCredentialsError("not found")

    monkeypatch.setattr(google.auth, "default", found_none)
    monkeypatch.delenv(stores.EMULATOR, raising=False)
    monkeypatch.delenv(stores.NAMED, raising=False)
    stores._found_by_google.cache_clear()


@pytest.mark.usefixtures("no_credentials")
def test_google_is_asked_without_credentials_where_there_are_none_and_nothing_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert stores.is_anonymous("gs://a-public-one/em")
    with stores.cloud_files("gs://a-public-one/em")._get_connection() as store:
        assert isinstance(store._bucket.client._credentials, AnonymousCredentials)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("no_credentials")
def test_credentials_that_are_named_and_cannot_be_used_are_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(stores.NAMED, str(tmp_path / "none.json"))
    with pytest.raises(DefaultCredentialsError):
        stores.cloud_files("gs://another/em")._get_connection()


def test_elsewhere_nobody_is_waited_for_who_knows_the_role_of_a_machine() -> None:
    program = (
        "import pipeline.machine.stores\n"
        "from google.auth.compute_engine import _metadata as known\n"
        "print(known._METADATA_DETECT_RETRIES, known._METADATA_DEFAULT_TIMEOUT)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["1", "2"]


def test_amazon_is_asked_without_credentials_where_there_are_none_but_not_to_write(
    s3: LocalS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket = s3.bucket()
    assert not stores.is_anonymous(s3.uri(bucket))
    s3.forget_credentials(monkeypatch, tmp_path)
    assert stores.is_anonymous(s3.uri(bucket))
    with pytest.raises(ValueError, match="Unable to locate credentials"):
        Bucket(s3.uri(bucket)).try_out()


def test_what_a_bucket_refuses_is_asked_for_once(s3: LocalS3) -> None:
    bucket = s3.bucket()
    s3.deny(bucket, "s3:GetObject")
    asked = []
    files = stores.cloud_files(s3.uri(bucket))
    with files._get_connection() as store:
        store._conn.meta.events.register("before-call.s3.GetObject", lambda **_: asked.append(1))
        with pytest.raises(Exception, match="403"):
            store.get_file("info")
    assert len(asked) == 1


def test_what_google_s_library_has_asked_for_two_minutes_is_not_asked_again() -> None:
    assert not stores.may_pass(RetryError("no way there", OSError("no such host")))
    assert stores.may_pass(OSError("no way there"))


def test_objects_are_taken_that_have_no_md5_for_an_etag(s3: LocalS3) -> None:
    """As those that MinIO's client puts in parts of 16 MiB, and those that a key of the owner's encrypts."""
    bucket, content = s3.bucket(), bytes(range(256)) * (12 << 12)
    upload = s3.client.create_multipart_upload(Bucket=bucket, Key="in/parts")["UploadId"]
    parts = []
    for number in (1, 2):
        half = content[len(content) // 2 * (number - 1) :][: len(content) // 2]
        put = s3.client.upload_part(
            Bucket=bucket, Key="in/parts", UploadId=upload, PartNumber=number, Body=half
        )
        parts.append({"ETag": put["ETag"], "PartNumber": number})
    s3.client.complete_multipart_upload(
        Bucket=bucket, Key="in/parts", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    files = stores.cloud_files(s3.uri(bucket, "in"))
    assert files.get("parts") == content

    def encrypted(request: Any, **_: object) -> AWSResponse:
        headers = {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
        return AWSResponse(request.url, 200, headers, Body(b"voxels"))

    with files._get_connection() as store:
        store._conn.meta.events.register("before-send.s3.GetObject", encrypted)
    assert files.get("encrypted") == b"voxels"


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": 'W/"31ee76261d87fed8cb9d4c465c48158c"'},
        {"ETag": '"v7"'},
        {"x-amz-server-side-encryption": "aws:kms"},
    ],
)
def test_what_is_no_md5_of_the_content_is_not_taken_for_it(headers: dict[str, str], s3: LocalS3) -> None:
    """As from a server that makes ETags of its own, packs what it sends, or gives none."""
    files = stores.cloud_files(s3.uri(s3.bucket()))
    with files._get_connection() as store:
        store._conn.meta.events.register(
            "before-send.s3.GetObject",
            lambda request, **_: AWSResponse(request.url, 200, headers, Body(b"voxels")),
        )
    assert files.get("chunk") == b"voxels"


def test_an_object_that_came_in_part_is_told_by_its_md5(s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces.S3Interface.get_file.retry, "sleep", lambda _: None)
    files, headers = stores.cloud_files(s3.uri(s3.bucket())), {"ETag": f'"{md5(b"voxels").hexdigest()}"'}
    with files._get_connection() as store:
        store._conn.meta.events.register(
            "before-send.s3.GetObject",
            lambda request, **_: AWSResponse(request.url, 200, headers, Body(b"vox")),
        )
    with pytest.raises(MD5IntegrityError):
        files.get("chunk")


def test_a_server_of_s3_is_not_waited_for_as_long_as_its_library_does(s3: LocalS3) -> None:
    with stores.cloud_files(s3.uri(s3.bucket()))._get_connection() as store:
        config = store._conn.meta.config
    assert (config.connect_timeout, config.read_timeout) == stores.PATIENCE_S


@pytest.mark.parametrize("address", ["s3://http://127.0.0.1:9/bucket", "http://127.0.0.1:9/folder"])
def test_that_a_server_does_not_answer_is_told_before_it_is_asked_again(
    address: str, s3: LocalS3, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for asked in (interfaces.S3Interface.get_file, interfaces.HttpInterface.get_file):
        monkeypatch.setattr(asked.retry, "sleep", lambda _: None)
    monkeypatch.setattr(stores, "TOLD", set())
    with pytest.raises(Exception, match=r"(?i)connect"):
        stores.cloud_files(address).get("info")
    [told] = caplog.messages
    assert told.startswith("a server is asked again, up to seven times: ")
    assert "127.0.0.1" in told


def test_a_list_that_a_bucket_refuses_is_asked_for_once(s3: LocalS3) -> None:
    files, asked = stores.cloud_files(s3.uri(s3.bucket())), []

    def refuse(request: Any, **_: object) -> AWSResponse:
        asked.append(request)
        return AWSResponse(request.url, 403, {}, Body(b"<Error><Code>AccessDenied</Code></Error>"))

    with files._get_connection() as store:
        store._conn.meta.events.register("before-send.s3", refuse)
    with pytest.raises(Exception, match="AccessDenied"):
        list(files.list())
    assert len(asked) == 1


def test_what_is_answered_404_without_a_word_is_not_there(s3: LocalS3) -> None:
    """As by a server in front of the store, or where the rest of the answer was lost."""
    files, body = stores.cloud_files(s3.uri(s3.bucket())), b""

    def answer(request: Any, **_: object) -> AWSResponse:
        return AWSResponse(request.url, 404, {}, Body(body))

    with files._get_connection() as store:
        store._conn.meta.events.register("before-send.s3.GetObject", answer)
    assert files.get("info") is None
    body = b"<Error><Code>NoSuchBucket</Code></Error>"
    with pytest.raises(Exception, match="NoSuchBucket"):
        files.get("info")


def test_a_404_without_a_word_about_all_there_is_is_told(s3: LocalS3) -> None:
    """As of a proxy that has lost its server: chunks were black."""
    bucket, lost = s3.bucket(), ["GetObject", "HeadObject"]
    s3.client.put_object(Bucket=bucket, Key="em/info", Body=b"{}")
    files = stores.cloud_files(s3.uri(bucket, "em"))
    assert files.get("info") == b"{}"

    def answer(request: Any, event_name: str, **_: object) -> AWSResponse | None:
        if event_name.rpartition(".")[2] in lost:
            return AWSResponse(request.url, 404, {}, Body(b"404 page not found"))
        return None

    with files._get_connection() as store:
        store._conn.meta.events.register("before-send.s3", answer)
    with pytest.raises(Exception, match="404"):
        files.get("chunk")
    lost.remove("HeadObject")
    assert files.get("chunk") is None
