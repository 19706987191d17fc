"""How CloudFiles asks buckets: with the credentials that are found, without any, and not in vain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import google.auth
import pytest
from google.api_core.exceptions import RetryError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError

from pipeline.machine import stores
from pipeline.results.bucket import Bucket
from tests.local_s3 import LocalS3


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
