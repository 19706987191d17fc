"""ZarrStore: an Address as the zarr library asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, NoReturn

from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from pipeline.volumes.address import Address
from pipeline.volumes.web import UNKNOWN
from pipeline.volumes.zarr_metadata import METADATA

DESCRIBED_BY = (*METADATA, ".zmetadata")
"""Names of the files that say what an array or a group is: read once, as the address keeps them."""


class ZarrStore(Store):
    """The array or group in `folder`, to be read. Raises OSError where nobody says what is there."""

    supports_writes = supports_deletes = supports_listing = False

    def __init__(self, folder: Address) -> None:
        super().__init__(read_only=True)
        self._folder = folder

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZarrStore) and self._folder == other._folder

    def __str__(self) -> str:
        return str(self._folder)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The bytes of a file, or a range of them; None where there is no such file."""
        content = await asyncio.to_thread(_read, self._folder / key, byte_range)
        prototype = prototype or default_buffer_prototype()
        return None if content is None else prototype.buffer.from_bytes(content)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """`get` of each."""
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    async def exists(self, key: str) -> bool:
        """Whether there is such a file."""
        return await self.get(key) is not None

    async def set(self, key: str, value: Buffer) -> NoReturn:
        """Nothing is written."""
        raise NotImplementedError

    async def delete(self, key: str) -> NoReturn:
        """Nothing is deleted."""
        raise NotImplementedError

    def list(self) -> AsyncIterator[str]:
        """Nothing is listed: web servers cannot."""
        raise NotImplementedError

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """As `list`."""
        raise NotImplementedError

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """As `list`."""
        raise NotImplementedError


def _read(file: Address, part: Any) -> bytes | None:
    if part is None:
        if file.name in DESCRIBED_BY:
            return file.read_bytes() if file.is_file() else None
        return file.get()
    if isinstance(part, RangeByteRequest):
        return file.get(part.start, part.end)
    if isinstance(part, SuffixByteRequest):
        size = file.size()
        if size == UNKNOWN:
            raise ValueError(f"{file}: the server does not say how long it is, as a volume in shards needs")
        return None if size is None else file.get(max(0, size - part.suffix), size)
    return file.get(part.offset)
