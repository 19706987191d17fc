"""Which files of a volume an HTTP server has. CloudFiles takes whatever else it answers for "not there"."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex

from cloudfiles import CloudFiles
from cloudfiles.interfaces import retry

WEB = ("http", "https")
REFUSED, ABSENT = 403, 404
AT_A_TIME = 20


def are_there(files: CloudFiles, names: Sequence[str]) -> list[bool]:
    """Of each file whether it is there. Raises OSError where the server does not say so.

    Some answer 403 for a file that is not there, where they do not list what is: that is so if one of a
    random name is refused too. Where it is not, 403 is about a file that is there.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(lambda name: status(files, name), names))
    if REFUSED in found and status(files, f"none-{token_hex(8)}") != REFUSED:
        raise PermissionError(f"the server refuses {names[found.index(REFUSED)]} (403)")
    return [each not in (REFUSED, ABSENT) for each in found]


@retry
def status(files: CloudFiles, name: str) -> int:
    """What the server answers for a file: REFUSED, ABSENT, or that it is there.

    Raises OSError, after some patience, for any other answer and where there is none.
    """
    with files._get_connection() as store:
        asked = store.session.get(store.get_path_to_file(name), headers=store.default_headers(), stream=True)
        with asked as answer:
            if answer.status_code not in (REFUSED, ABSENT):
                answer.raise_for_status()
            return int(answer.status_code)
