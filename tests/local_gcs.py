"""A server that speaks Google Cloud Storage's API on this machine (gcp-storage-emulator), and its buckets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client


class LocalGcs:
    """The server at `address`. No name of a bucket is given twice: CloudFiles keeps connections by it."""

    def __init__(self, address: str) -> None:
        self.keys = {"STORAGE_EMULATOR_HOST": address}
        """For the environment: Google's library asks this server then, without credentials."""
        self.client: Any = Client("tests", AnonymousCredentials(), client_options={"api_endpoint": address})
        self._numbers = count()

    def bucket(self) -> str:
        """A new, empty bucket's name."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(name)
        return name

    def uri(self, bucket: str, folder: str = "segmentation") -> str:
        """The address of a folder in it."""
        return f"gs://{bucket}/{folder}"

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """As somebody else does."""
        self.client.bucket(bucket).blob(key).upload_from_string(content)

    def delete(self, bucket: str, key: str) -> None:
        """As somebody else does."""
        self.client.bucket(bucket).delete_blob(key)

    def objects(self, bucket: str) -> dict[str, bytes]:
        """All objects of a bucket, by their keys."""
        return {blob.name: blob.download_as_bytes() for blob in self.client.list_blobs(bucket)}

    def generations(self, bucket: str) -> dict[str, int]:
        """A number of each object that is another after it was put again."""
        return {blob.name: blob.generation for blob in self.client.list_blobs(bucket)}


@contextmanager
def local_gcs() -> Iterator[LocalGcs]:
    """The server, as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True)
    server.start()
    try:
        yield LocalGcs(f"http://127.0.0.1:{port}")
    finally:
        server.stop()
