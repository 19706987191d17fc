"""Servers from which volumes are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from cloudfiles.interfaces import HttpInterface, S3Interface
from published import Publish, files, to_amazon
from tenacity import stop_after_attempt

from pipeline.machine import stores
from pipeline.volumes import web
from tests.local_gcs import LocalGcs
from tests.local_s3 import Body
from tests.local_web import LocalWeb, local_web


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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server does not do at once is not asked for again."""
    for asked in (HttpInterface.get_file, S3Interface.get_file, web.status):
        monkeypatch.setattr(asked.retry, "stop", stop_after_attempt(1))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts of addresses: S3 answers 403 to whatever has one of them."""
    parts, create = list[str](), stores.AmazonPool._create_connection

    def answer(request: Any, **_: object) -> AWSResponse | None:
        if any(part in request.url for part in parts):
            return AWSResponse(request.url, 403, {}, Body(b"<Error><Code>AccessDenied</Code></Error>"))
        return None

    def create_refusing(pool: stores.AmazonPool, *given: Any) -> Any:
        client = create(pool, *given)
        client.meta.events.register("before-send.s3", answer)
        return client

    monkeypatch.setattr(stores.AmazonPool, "_create_connection", create_refusing)
    return parts
