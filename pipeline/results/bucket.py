"""A folder in a bucket of S3 or Google Cloud Storage, whose objects are put whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from inspect import unwrap
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline.errors import InputError, Superseded, Unreadable
from pipeline.results.attempts.fencing import fence

if TYPE_CHECKING:
    from cloudfiles import CloudFiles

SINGLY = 32
"""Objects that a process looks at one by one before it has the store list them, a thousand to a request."""

FRESH_S = 60.0
"""How long such a list is believed of what is as it was recorded."""

PROVENANCE = "provenance"
"""The object beside `info` in which CloudVolume and others say what a volume is made of."""

NO_CACHE = "no-cache"
"""What is made again must not be shown as it was: Google's store would let browsers keep it for an hour."""

EXPECTED = (
    "expected a bucket that is there, and credentials that may list, read, write and delete in it: those of "
    "~/.cloudvolume/secrets, of the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "GOOGLE_APPLICATION_CREDENTIALS), or of the machine"
)


@dataclass(frozen=True)
class Bucket:
    """The objects below `url`: `s3://BUCKET/FOLDER`, `s3://https://HOST/BUCKET/FOLDER`, `gs://BUCKET/FOLDER`.

    CloudFiles reads and writes. What the store refuses to show is Unreadable, what it refuses to take an
    InputError, and either names the place. Nothing is removed or written over but behind the fence.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def put(self, name: str, content: bytes) -> None:
        """Publish an object. Raises InputError, and Superseded when a newer attempt has begun."""
        kind = "application/json" if name.rpartition("/")[2] in ("info", PROVENANCE) else None
        with self._writing(name), fence():
            _files(self.url).put(name, content, content_type=kind, cache_control=NO_CACHE)

    def get(self, name: str, start: int | None = None, stop: int | None = None) -> bytes | None:
        """The bytes of an object, or some of them; None where there is none. Raises Unreadable."""
        with self._reading(name):
            wanted = name if start is None and stop is None else {"path": name, "start": start, "end": stop}
            found = _files(self.url).get(wanted, raw=True)
        return None if found is None else bytes(found)

    def look(self, name: str, expected: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """What an object shows of itself without being read, `size` and `etag`; None where there is none.

        What is just as `expected` may be told from a list that is up to FRESH_S old. Raises Unreadable.
        """
        with self._reading(name):
            if expected is not None:
                listed = _looked_at(self.url).listed(name)
                if listed is not None and all(expected.get(key) == listed[key] for key in listed):
                    return listed
            files = _files(self.url)
            if files.protocol == "s3":
                found = files.head(name)
                return found and _stamp(found["Content-Length"], found["ETag"])
            with files._get_connection() as store:  # CloudFiles cannot look at one that is not there
                blob = store._bucket.get_blob(store.get_path_to_file(name))
            return blob and _stamp(blob.size, blob.etag)

    def is_empty(self) -> bool:
        """Whether there is no object. Raises Unreadable."""
        with self._reading():
            return next(iter(_files(self.url).list()), None) is None

    def clear(self) -> None:
        """Remove all objects, `info` first: without it nothing of them is taken for a volume.

        Folders in it that say by a `provenance` of their own whose they are stay. Raises InputError, and
        Superseded when a newer attempt has begun.
        """
        with self._writing(), fence():
            self._remove(["info"])
            names = list(_files(self.url).list())
            others = tuple(name.removesuffix(PROVENANCE) for name in names if name.endswith(f"/{PROVENANCE}"))
            self._remove([name for name in names if not name.startswith(others)])

    def _remove(self, names: list[str]) -> None:
        """Raises InputError where some stay: S3 tells so for each, to which CloudFiles does not listen."""
        files = _files(self.url)
        files.delete(names)
        left = sorted(set(names).intersection(files.list()))
        if left:
            raise InputError(f"cannot delete {self.url}/{left[0]}, one of {len(left)} that stay; {EXPECTED}")

    def try_out(self) -> None:
        """Write an object of a random name, read it and delete it. Raises InputError at once."""
        from pipeline.machine.stores import is_anonymous  # imports much

        name = f".probe-{token_hex(8)}"
        try:
            if is_anonymous(self.url):
                raise InputError("Unable to locate credentials")
            # not tried again and again, as CloudFiles does: what is wrong with a name stays wrong
            store = _files(self.url)._get_connection()
            unwrap(type(store).put_file)(store, name, b"probe", "text/plain", None)
            try:
                unwrap(type(store).get_file)(store, name)
            finally:
                unwrap(type(store).delete_file)(store, name)
        except Exception as error:  # of as many kinds as there are stores
            _refuse(f"data.output {self.url} cannot be written", error)

    @contextmanager
    def _reading(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of as many kinds as there are stores
            raise Unreadable(
                f"cannot read {self.url}/{name}: {_reason(error)}; it was left as it is: see whether the "
                "bucket can be reached and read, and try again"
            ) from None

    @contextmanager
    def _writing(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except (InputError, Superseded):  # of the fence
            raise
        except Exception as error:  # as above
            _refuse(f"cannot write {self.url}/{name}", error)


@dataclass
class LookedAt:
    """What a process has seen of a bucket's folder."""

    url: str
    singly: int = 0
    at: float = float("-inf")
    stamps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def listed(self, name: str) -> dict[str, Any] | None:
        """The object's stamp by the last list, once many are looked at; None where only a look can tell."""
        self.singly += 1
        if self.singly <= SINGLY:
            return None
        if time.monotonic() - self.at > FRESH_S:
            self.stamps, self.at = dict(_stamps(self.url)), time.monotonic()
        return self.stamps.get(name)


_looked_at = cache(LookedAt)


def _stamps(url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and stamp of all objects of a folder. CloudFiles lists no ETags."""
    files = _files(url)
    with files._get_connection() as store:
        folder = store.get_path_to_file("")
        if files.protocol == "s3":
            pages = store._conn.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=store._path.bucket, Prefix=folder):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(folder), _stamp(found["Size"], found["ETag"])
            return
        for blob in store._bucket.list_blobs(prefix=folder, fields="items(name,size,etag),nextPageToken"):
            yield blob.name.removeprefix(folder), _stamp(blob.size, blob.etag)


def _stamp(size: Any, etag: Any) -> dict[str, Any]:
    return {"size": int(size), "etag": str(etag)}


def _files(url: str) -> CloudFiles:
    from pipeline.machine.stores import cloud_files  # imports much

    return cloud_files(url)


def _reason(error: Exception) -> str:
    """What a store has said, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _refuse(what: str, error: Exception) -> NoReturn:
    raise InputError(f"{what}: {_reason(error)}; {EXPECTED}") from None
