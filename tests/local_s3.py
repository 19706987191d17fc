"""A real S3 server on this machine (moto's), with a bucket for whoever asks for one."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipeline.machine import stores


class Body(io.BytesIO):
    """Of an answer that a test makes up, as urllib3 gives it."""

    def stream(self, *_: object, **__: object) -> Any:
        yield self.read()


class LocalS3:
    """The server at `address`. No name of a bucket is given twice: CloudFiles keeps connections by it."""

    keys: ClassVar = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_SESSION_TOKEN": ""}
    """For the environment; the server takes any."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=address,
            aws_access_key_id="tests",
            aws_secret_access_key="tests",
            region_name="us-east-1",
        )
        self._numbers = count()

    def forget_credentials(self, monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
        """For this test there are none, in the environment, below a home or of a machine in a cloud."""
        for name in self.keys:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(empty / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        stores.has_keys_of_amazon.cache_clear()

    def bucket(self) -> str:
        """A new, empty bucket's name."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def uri(self, bucket: str, folder: str = "segmentation") -> str:
        """The address of a folder in it, as CloudFiles reads it."""
        return f"s3://{self.address}/{bucket}/{folder}"

    def objects(self, bucket: str) -> dict[str, bytes]:
        """All objects of a bucket, by their keys."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        return {key: self.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def puts(self, bucket: str) -> Counter[str]:
        """How often each object was put."""
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=bucket)
        return Counter(found["Key"] for page in pages for found in page.get("Versions", ()))

    def deny(self, bucket: str, action: str) -> None:
        """Refuse all that is asked of a bucket's objects in this way, such as s3:PutObject."""
        self._set_policy(bucket, "Deny", action)

    def open_to_all(self, bucket: str) -> None:
        """Let everybody read a bucket's objects, but not list them."""
        # with s3:GetObject one may ask Amazon's for the head too; moto has a word of its own for that
        self._set_policy(bucket, "Allow", "s3:GetObject", "s3:HeadObject")

    def _set_policy(self, bucket: str, effect: str, *actions: str) -> None:
        statement = {
            "Effect": effect,
            "Principal": "*",
            "Action": actions,
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


@contextmanager
def local_s3() -> Iterator[LocalS3]:
    """The server, as long as the context lasts."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield LocalS3(f"http://{host}:{port}")
    finally:
        server.stop()
