"""Address: a folder or a file in a bucket or on a web server, asked as a Path is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from pipeline.volumes.remote_store import RemoteStore

ADDRESS = re.compile(
    r"(?P<root>s3://https?://[^/]+/[^/:]+|(?!s3://http)(?:s3|gs)://[^/:]+|(?!s3:|gs:)[\w+]+://[^/]+)"
    r"(?P<path>(?:/[^:]*)?)(?::(?P<part>[^:]+))?"
)
"""A bucket or a server, what lies below it, and behind a colon what of that is meant."""

AT_A_TIME = 20

T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """What lies at `path` below `root`, which is a bucket or a server: `s3://BUCKET`, `https://HOST`.

    It has what readers of Zarr and N5 need of Path, whose errors it raises: FileNotFoundError where the store
    says that there is no such file, and OSError, which names it, where it does not say what is there.
    What `read_bytes` has read stays known to all addresses that were made of one: they are of one look.
    """

    root: str
    path: PurePosixPath
    _read: dict[PurePosixPath, bytes | None] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.root}/{self.path}" if self.path.parts else self.root

    def __truediv__(self, name: str | PurePosixPath) -> Address:
        return self._at(self.path / name)

    @property
    def name(self) -> str:
        """The last part of it."""
        return self.path.name

    @property
    def suffix(self) -> str:
        """That of its name."""
        return self.path.suffix

    @property
    def parts(self) -> tuple[str, ...]:
        """The bucket or server, and the names that lead on."""
        return (self.root, *self.path.parts)

    @property
    def parent(self) -> Address:
        """The folder in which it lies."""
        return self._at(self.path.parent)

    @property
    def parents(self) -> tuple[Address, ...]:
        """All folders above, up to the bucket or server."""
        return tuple(map(self._at, self.path.parents))

    def with_suffix(self, suffix: str) -> Address:
        """One beside it, of another suffix; of a bucket, beside which there is none, one in it."""
        return self._at(self.path.with_suffix(suffix) if self.name else PurePosixPath(suffix))

    def relative_to(self, above: Address) -> PurePosixPath:
        """Which way leads here from `above`."""
        return self.path.relative_to(above.path)

    def absolute(self) -> Address:
        """Itself."""
        return self

    resolve = absolute

    def is_file(self) -> bool:
        """Whether it is a small file, which is read for that."""
        return self._known() is not None

    def read_bytes(self) -> bytes:
        """The content of a small file, such as metadata have."""
        content = self._known()
        if content is None:
            raise FileNotFoundError(f"{self} is not there")
        return content

    def read_text(self) -> str:
        """The same as text of UTF-8."""
        return self.read_bytes().decode()

    def get(self, start: int | None = None, stop: int | None = None) -> bytes | None:
        """The content of a file as it is now, or its bytes from start to stop; None where there is none."""
        return self._store.get(str(self.path), start, stop)

    def size(self) -> int | None:
        """How many bytes a file has; None where there is none."""
        return self._store.size(str(self.path))

    def names(self) -> list[str]:
        """Names in a folder, as a store gives them: those of folders with a slash behind them."""
        return self._store.names(str(self.path) if self.path.parts else "")

    @property
    def is_web(self) -> bool:
        """Whether it lies on a web server."""
        return self._store.is_web

    def hides(self) -> bool:
        """Whether the store refuses whatever is not there, so that nobody knows what is."""
        return self._store.hides(str(self.path) if self.path.parts else "")

    @property
    def _store(self) -> RemoteStore:
        from pipeline.volumes.remote_store import remote_store  # imports much

        return remote_store(self.root)

    def _known(self) -> bytes | None:
        if self.path not in self._read:
            content = self.get()
            if content and self.is_web and self.suffix != ".xml" and content.lstrip().startswith(b"<"):
                content = None  # a page that the server shows for whatever it does not have
            self._read[self.path] = content
        return self._read[self.path]

    def _at(self, path: PurePosixPath) -> Address:
        return Address(self.root, path, self._read)


Where: TypeAlias = Path | Address
"""Where a file or a folder of a volume lies."""


def address(location: str) -> tuple[Address, str] | None:
    """What `s3://BUCKET/FOLDER:PART` leads to, and the part of that, empty when there is none.

    None where it is no address.
    """
    found = ADDRESS.fullmatch(location)
    if found is None:
        return None
    return Address(found["root"], PurePosixPath(found["path"].strip("/"))), (found["part"] or "").strip("/")


def look_up(files: Iterable[Where]) -> None:
    """Read small files that lie elsewhere all at a time: one after the other, each would be waited for."""
    _at_a_time(Address.is_file, [file for file in files if isinstance(file, Address)])


def contents(files: Sequence[Address]) -> list[bytes | None]:
    """What `get` gives of each."""
    return _at_a_time(Address.get, files)


def sizes(files: Sequence[Address]) -> list[int | None]:
    """What `size` gives of each."""
    return _at_a_time(Address.size, files)


def names_in(folders: Sequence[Where]) -> list[list[str]]:
    """What lies in each folder, folders with a slash behind their names; nothing of one that is not
    listed."""
    elsewhere = [folder for folder in folders if isinstance(folder, Address)]
    return _at_a_time(_names, elsewhere) if elsewhere else [_names(folder) for folder in folders]


def are_there(files: Sequence[Where]) -> list[bool]:
    """Of each file whether it is there, whatever it holds. Raises OSError where that cannot be told."""
    elsewhere = [file for file in files if isinstance(file, Address)]
    if elsewhere:
        return [size is not None for size in sizes(elsewhere)]
    return [file.exists() for file in files if isinstance(file, Path)]


def _names(folder: Where) -> list[str]:
    try:
        if isinstance(folder, Address):
            return folder.names()
        with os.scandir(folder) as entries:
            return [entry.name + ("/" if entry.is_dir() else "") for entry in entries]
    except OSError:
        return []


def _at_a_time(ask: Callable[[Address], T], files: Sequence[Address]) -> list[T]:
    if len(files) < 2:
        return [ask(file) for file in files]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(ask, files))
