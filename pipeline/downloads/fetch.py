"""Fetch published files over HTTP: what has come is kept, asked for no second time, and checked."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from pipeline.errors import InputError
from pipeline.results.unreadable import is_there, reading, whose

PATIENCE_S = (10.0, 60.0)
"""How long a server may take to answer, and between two pieces of a file."""

WAITS_S = (1.0, 2.0, 4.0)
"""Before a file is asked for again whose server broke off, or is too busy."""

BUSY = (429, 500, 502, 503, 504)
PIECE = 1 << 16
AGAIN = "what has come is kept: run the same command again to go on from there"

Tell = Callable[[float], None]
"""Is told how many files of a download have come, the one in hand by the share of it that has."""


@dataclass(frozen=True)
class Download:
    """Files that are published together; the bytes of all, one after another, have this SHA-256."""

    what: str
    files: Mapping[str, str]
    """By path below the folder they go to, in their order: the URL."""
    sha256: str


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other downloads out of it. Raises InputError."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another download is at work in {folder}: wait for it, or name another folder"
            ) from None
        except OSError:
            pass  # the file system has no locks; the checksums find what two have mixed up
        yield
    finally:
        os.close(handle)


def is_whole(download: Download, folder: Path) -> bool:
    """Whether all files are there and have their SHA-256. Raises Unreadable."""
    paths = [folder / name for name in download.files]
    return all(map(is_there, paths)) and _sha256(paths) == download.sha256


def fetch(download: Download, folder: Path, tell: Tell) -> None:
    """Fetch those files of a download that are not in the folder; files that broke off go on where they did.

    Raises InputError when the network, the server or the disk refuses, which leaves what has come, and when
    what came has another SHA-256: then it is set aside under names that end in `.wrong`.
    """
    paths = [folder / name for name in download.files]
    if all(map(is_there, paths)):  # and not whole: they were damaged since
        _set_aside(paths)
    with requests.Session() as session:
        for n, (path, url) in enumerate(zip(paths, download.files.values())):
            if not is_there(path):
                _fetch_file(session, url, path, lambda share, n=n: tell(n + share))  # type: ignore[misc]
            tell(n + 1)
    found = _sha256(paths)
    if found != download.sha256:
        first, aside = next(iter(download.files.values())), _set_aside(paths)
        raise InputError(
            f"{first}{', ...' * (len(paths) > 1)}: the SHA-256 is {found}, expected "
            f"{download.sha256}; what came is kept as {aside}. Run the same command again; if it ends here "
            "again, a proxy changes the files or they are other ones upstream by now"
        )


def _fetch_file(session: requests.Session, url: str, path: Path, tell: Tell) -> None:
    part = path.with_name(f".{path.name}.part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    waits = iter(WAITS_S)
    while True:
        had = part.stat().st_size
        try:
            _fetch_rest(session, url, part, tell)
            break
        except (
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ConnectionError,
            _Busy,
        ) as error:
            came = part.stat().st_size > had
            broke_off = came or isinstance(error, (_Busy, requests.exceptions.ChunkedEncodingError))
            wait = next(waits, None) if broke_off else None
            if wait is None:
                raise InputError(f"cannot fetch {url}: {_reason(error)}; {_way_out(error)}") from None
            if came:
                waits = iter(WAITS_S)
            time.sleep(wait)
        except requests.exceptions.RequestException as error:
            raise InputError(f"cannot fetch {url}: {_reason(error)}; {_way_out(error)}") from None
    with _writing(path):
        os.replace(part, path)


class _Busy(requests.exceptions.RequestException):
    """The server says that it has no time."""


def _fetch_rest(session: requests.Session, url: str, part: Path, tell: Tell) -> None:
    """Add to the part of a file what it lacks. Raises RequestException, and InputError."""
    had = part.stat().st_size
    headers = {"Accept-Encoding": "identity"}
    if had:
        headers["Range"] = f"bytes={had}-"
    with session.get(url, headers=headers, stream=True, timeout=PATIENCE_S) as answer:
        if answer.status_code == 416:  # nothing is lacking; the checksum says whether it is too much
            return
        if answer.status_code in BUSY:
            raise _Busy(f"the server answers {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise InputError(
                f"cannot fetch {url}: the server answers {answer.status_code} {answer.reason}; see in a "
                f"browser whether the address still leads there. {AGAIN.capitalize()}"
            )
        begins = re.match(rf"bytes {had}-", answer.headers.get("Content-Range", ""))
        goes_on = answer.status_code == 206 and begins is not None
        came, lacking = had if goes_on else 0, int(answer.headers.get("Content-Length", 0))
        total = came + lacking
        with _writing(part), open(part, "ab" if goes_on else "wb") as file:
            for piece in answer.iter_content(PIECE):
                file.write(piece)
                came += len(piece)
                tell(min(came / total, 1.0) if lacking else 0.0)


def _set_aside(paths: list[Path]) -> str:
    """Rename files that are not what they should be; returns a name for all of them."""
    with _writing(paths[0]):
        for path in paths:
            with suppress(FileNotFoundError):
                os.replace(path, path.with_name(f"{path.name}.wrong"))
    return f"{paths[0] if len(paths) == 1 else paths[0].parent / '*'}.wrong"


def _sha256(paths: list[Path]) -> str:
    """Of the bytes of all files, one after another. Raises Unreadable."""
    digest = hashlib.sha256()
    for path in paths:
        with reading(path):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raises InputError where the file system refuses; what the network refuses passes."""
    try:
        yield
    except requests.exceptions.RequestException:
        raise
    except OSError as error:
        raise InputError(
            f"cannot write {path}{whose(path)}: {error.strerror or error}; make room or name another folder. "
            f"{AGAIN.capitalize()}"
        ) from error


def _reason(error: BaseException) -> str:
    """What is behind an error of requests, without the objects that it names."""
    if isinstance(error, requests.exceptions.Timeout):
        return "the server does not answer"
    inner = error
    while inner.args and isinstance(getattr(inner.args[0], "reason", inner.args[0]), BaseException):
        inner = getattr(inner.args[0], "reason", inner.args[0])
    return re.sub(r"^<?HTTPS?Connection.*?\)[>:] *:? *", "", " ".join(str(inner).split()))


def _way_out(error: BaseException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return f"behind a proxy with its own certificate set REQUESTS_CA_BUNDLE to that; {AGAIN}"
    return f"see whether this machine reaches the network (HTTPS_PROXY names a proxy); {AGAIN}"
