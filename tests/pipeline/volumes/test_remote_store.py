"""What a bucket refuses is absent where it refuses all that is not there, and gives what it gave."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from pipeline.volumes.remote_store import RemoteStore
from tests.local_s3 import Body, LocalS3


def test_what_is_refused_is_absent_only_while_what_was_given_still_is(s3: LocalS3) -> None:
    bucket = s3.bucket()
    s3.client.put_object(Bucket=bucket, Key="em/there", Body=b"voxels")
    store = RemoteStore(s3.uri(bucket, "").rstrip("/"))
    refused, code = ["em/absent", "em/none-"], "AccessDenied"

    def answer(request: Any, **_: object) -> AWSResponse | None:
        if any(f"{bucket}/{key}" in request.url for key in refused):
            return AWSResponse(request.url, 403, {}, Body(f"<Error><Code>{code}</Code></Error>".encode()))
        return None

    with store._files._get_connection() as connection:  # which is used again, as there is but one at a time
        connection._conn.meta.events.register("before-send.s3", answer)
    assert store.get("em/there") == b"voxels"
    assert store.get("em/absent") is None
    assert store.size("em/absent") is None
    assert store.hides("em")
    code = "InvalidObjectState"  # of an object in an archive
    with pytest.raises(OSError, match=rf"{bucket}/em/absent: .*InvalidObjectState"):
        store.get("em/absent")
    code = "AccessDenied"
    refused.append("em/there")
    for ask in (store.get, store.size):
        with pytest.raises(OSError, match=rf"{bucket}/em/absent: .*(403|AccessDenied)"):
            ask("em/absent")
    refused[:] = ["em/absent"]  # as where an object of its own is closed
    with pytest.raises(OSError, match=rf"{bucket}/em/absent: .*(403|AccessDenied)"):
        store.get("em/absent")
