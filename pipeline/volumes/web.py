"""How HTTP servers are asked for the files of a volume.

CloudFiles waits for ever for a server that has stopped to answer, and takes what is refused for "not there".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from secrets import token_hex
from typing import Any

import requests
from cloudfiles.cloudfiles import INTERFACES
from cloudfiles.interfaces import HttpInterface, retry
from requests.adapters import HTTPAdapter

WEB = tuple(scheme for scheme, store in INTERFACES.items() if issubclass(store, HttpInterface))
"""What addresses of such servers begin with, those with a login among them."""

REFUSED, ABSENT, THERE = 403, 404, 200
AT_A_TIME = 20
PATIENCE_S = (10.0, 60.0)
"""How long a server may take to be reached, and from one piece of an answer to the next."""


SAME = {"identity": None, "x-gzip": "gzip"}
"""Names of packings by which CloudFiles does not know them."""


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
        if content is not None and end is not None and len(content) > end - (start or 0):
            raise ValueError(
                f"{len(content)} bytes of {file_path} came where {end - (start or 0)} were asked for: a "
                "volume in shards needs a server that serves ranges of bytes"
            )
        return content, SAME.get(found[1], found[1]), *found[2:]


for scheme in WEB:
    INTERFACES[scheme] = type("StrictStore", (Strict, INTERFACES[scheme]), {})


def are_there(connect: Callable[[], Any], names: Sequence[str]) -> list[bool]:
    """Of each file whether it is there and holds anything. Raises OSError where the server does not say so.

    `connect` gives a store of CloudFiles. Some servers answer 403 for a file that is not there, where they do
    not list what is: that is so if one of a random name is refused too. Where it is not, 403 is about a file
    that is there.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(lambda name: status(connect(), name), names))
    if REFUSED in found and status(connect(), f"none-{token_hex(8)}") != REFUSED:
        raise requests.HTTPError(f"the server refuses {names[found.index(REFUSED)]} ({REFUSED})")
    return [each == THERE for each in found]


@retry
def status(store: HttpInterface, name: str) -> int:
    """What the server answers for a file: REFUSED, ABSENT, which an empty one is too, or THERE.

    Raises OSError, after some patience, for any other answer and where there is none.
    """
    asked = store.session.get(store.get_path_to_file(name), headers=store.default_headers(), stream=True)
    with asked as answer:
        if answer.status_code in (REFUSED, ABSENT):
            return int(answer.status_code)
        answer.raise_for_status()
        return ABSENT if answer.headers.get("Content-Length") == "0" else THERE
