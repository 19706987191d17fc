"""How HTTP servers are asked for the files of a volume.

CloudFiles waits for ever for a server that has stopped to answer, and takes what is refused for "not there".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from secrets import token_hex
from typing import Any, NamedTuple

import requests
from cloudfiles.cloudfiles import INTERFACES
from cloudfiles.interfaces import HttpInterface
from requests.adapters import HTTPAdapter

from pipeline.machine.stores import patiently
from pipeline.volumes.given import Given

WEB = tuple(scheme for scheme, store in INTERFACES.items() if issubclass(store, HttpInterface))
"""What addresses of such servers begin with, those with a login among them."""

REFUSED, ABSENT, THERE = 403, 404, 200
ARCHIVED = "InvalidObjectState"
"""What Amazon says, with a 403, of an object that is there and has to be brought back from an archive."""
AT_A_TIME = 20
PATIENCE_S = (10.0, 60.0)
"""How long a server may take to be reached, and from one piece of an answer to the next."""

SAME = {"identity": None, "x-gzip": "gzip"}
"""Names of packings by which CloudFiles does not know them."""


UNKNOWN = -1
"""The size of a file of which the server does not say it."""

GIVEN: defaultdict[str, Given] = defaultdict(Given)
"""By server the addresses of files that came: they are known to be there."""


class Patience(HTTPAdapter):
    """Waits as long as PATIENCE_S for a server."""

    def send(self, request: requests.PreparedRequest, *given: Any, **settings: Any) -> requests.Response:
        """As the library does, which waits for ever unless it is told."""
        return super().send(request, *given, **{**settings, "timeout": settings.get("timeout") or PATIENCE_S})


class Strict:
    """What goes before a store of CloudFiles: it gives nothing of what is not there, and of that alone."""

    adaptor = Patience(pool_connections=AT_A_TIME, pool_maxsize=AT_A_TIME)

    def default_headers(self) -> dict[str, str]:
        """Ask for none but what CloudFiles can unpack."""
        return {"Accept-Encoding": "gzip, br, zstd", **super().default_headers()}  # type: ignore[misc]

    def get_file(
        self, file_path: str, start: int | None = None, end: int | None = None, part_size: int | None = None
    ) -> tuple[bytes | None, Any, Any, Any]:
        """The content and what is known of it. Raises OSError where the server does not say what is there."""
        get = partial(super().get_file, file_path, start, end, part_size)  # type: ignore[misc]
        found = get()
        if found[0] is None and are_there(lambda: self, [file_path]) == [True]:
            found = get()
            if found[0] is None:
                raise requests.HTTPError(f"the server refuses {file_path} now and again ({REFUSED})")
        content = found[0]
        if content is not None:
            GIVEN[self._path.host].note(self.get_path_to_file(file_path))  # type: ignore[attr-defined]
        if content is not None and end is not None and len(content) > end - (start or 0):
            raise ValueError(
                f"{len(content)} bytes of {file_path} came where {end - (start or 0)} were asked for: a "
                "volume in shards needs a server that serves ranges of bytes"
            )
        return content, SAME.get(found[1], found[1]), *found[2:]


for scheme in WEB:
    INTERFACES[scheme] = type("StrictStore", (Strict, INTERFACES[scheme]), {})


class Answer(NamedTuple):
    """What a server says of a file: REFUSED, ABSENT or THERE, and how many bytes it has."""

    code: int
    size: int | None = None


def are_there(connect: Callable[[], Any], names: Sequence[str]) -> list[bool]:
    """Of each file whether it is there and holds anything. Raises OSError as `sizes` does."""
    return [bool(size) for size in sizes(connect, names)]


def sizes(connect: Callable[[], Any], names: Sequence[str]) -> list[int | None]:
    """Of each file how many bytes it has, or UNKNOWN; None of what is not there.

    `connect` gives a store of CloudFiles. Some servers answer 403 for a file that is not there, where they do
    not list what is: that is so if one of a random name is refused too, and what was given before is not.
    Else 403 is about a file that is there, or the server gives nothing any more. Raises OSError where the
    server does not say what is there.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(lambda name: status(connect(), name), names))
    refused = [name for name, answer in zip(names, found) if answer.code == REFUSED]
    if refused:
        store = connect()
        if status(store, f"none-{token_hex(8)}").code != REFUSED:
            raise requests.HTTPError(f"the server refuses {refused[0]} ({REFUSED})")
        for known in GIVEN[store._path.host].beside(store.get_path_to_file(refused[0])):
            if status(store, known).code == REFUSED:
                raise requests.HTTPError(
                    f"the server refuses {refused[0]} ({REFUSED}), and now also {known}, which it gave before"
                )
    return [answer.size for answer in found]


@patiently
def status(store: HttpInterface, name: str) -> Answer:
    """What the server answers for a file, which may be a whole address.

    Raises OSError, after some patience, for any other answer and where there is none.
    """
    address = name if "://" in name else store.get_path_to_file(name)
    asked = store.session.get(address, headers=store.default_headers(), stream=True)
    with asked as answer:
        if answer.status_code == REFUSED and ARCHIVED in answer.text:
            raise requests.HTTPError(f"{address} is in an archive ({ARCHIVED}, {REFUSED})", response=answer)
        if answer.status_code in (REFUSED, ABSENT):
            return Answer(answer.status_code)
        answer.raise_for_status()
        return Answer(THERE, int(answer.headers.get("Content-Length", UNKNOWN)))
