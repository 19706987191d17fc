"""RemoteStore: the files of a bucket or a web server by their keys, of which what is not there is told from
what is refused, and from what fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import islice
from secrets import token_hex
from typing import TypeVar

from pipeline.machine.stores import cloud_files, status_of
from pipeline.volumes.given import Given
from pipeline.volumes.web import ARCHIVED, REFUSED, WEB, sizes, status

REFUSALS = (401, REFUSED)
"""What buckets answer about what one may not have, and some about what is not there."""

MOST_LISTED = 1000
"""Names of a folder that are asked for: so many come with one request."""

T = TypeVar("T")


class RemoteStore:
    """Of the bucket or server `root`: `s3://BUCKET`, `s3://https://HOST/BUCKET`, `gs://BUCKET`, `https://HOST`.

    CloudFiles asks, and asks again where that may help. Whatever then does not come, and is not known to be
    absent, is an OSError that names it.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._files = cloud_files(root)
        self.is_web = self._files.protocol in WEB
        self._given = Given()

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes | None:
        """The content of a file, or its bytes from start to stop; None where there is no such file."""
        wanted = key if start is None else {"path": key, "start": start, "end": stop}
        content: bytes | None = self._unless_absent(key, lambda: self._files.get(wanted))
        if content is not None:
            self._given.note(key)
        return content

    def size(self, key: str) -> int | None:
        """How many bytes a file has; None where there is no such file."""
        if self.is_web:
            return self._unless_absent(key, lambda: sizes(self._files._get_connection, [key])[0])
        return self._unless_absent(key, lambda: self._files.size(key))

    def names(self, key: str) -> list[str]:
        """Names in a folder, those of folders with a slash behind them: the first MOST_LISTED, and none of a
        web server, which does not list any."""

        def ask() -> list[str]:
            return list(islice(cloud_files(f"{self.root}/{key}").list(flat=True), MOST_LISTED))

        return [] if self.is_web else self._unless_absent(key, ask) or []

    def hides(self, folder: str = "") -> bool:
        """Whether whatever is not there is refused, as far as can be seen, and not all that is there: what
        the store gave before, it gives still."""
        none = f"{folder}/none-{token_hex(8)}".lstrip("/")
        return self._refuses(none) and not any(map(self._refuses, self._given.beside(none)))

    def _refuses(self, key: str) -> bool:
        try:
            if self.is_web:
                return status(self._files._get_connection(), key).code == REFUSED
            self._files.size(key)
        except Exception as error:  # of as many kinds as there are stores
            return status_of(error) in REFUSALS
        return False

    def _unless_absent(self, key: str, ask: Callable[[], T | None]) -> T | None:
        try:
            return ask()
        except Exception as error:  # as above
            is_refused = status_of(error) in REFUSALS and ARCHIVED not in str(error)
            # web servers are asked by `web`
            if is_refused and not self.is_web and self.hides(key.rpartition("/")[0]):
                return None
            raise OSError(f"{self.root}/{key}: {' '.join(str(error).split())}") from error


remote_store = cache(RemoteStore)
"""The one of a root in this process."""
