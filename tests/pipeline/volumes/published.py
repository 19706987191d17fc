"""Volumes as the writers write them, put into buckets and on a web server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from writers import Place

from tests.local_s3 import LocalS3

SHAPE = (7, 11, 13)
IMAGE = np.random.default_rng(1).integers(1, 256, SHAPE, dtype=np.uint8)
PLACE = Place(origin=(10, -20, 30))

Publish = Callable[[Path], str]
"""Puts a folder somewhere, and gives the address of what it has become."""


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
