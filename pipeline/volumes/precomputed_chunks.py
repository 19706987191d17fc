"""The files of one level of a precomputed volume, and which of its chunks are in them."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
from cloudfiles import CloudFiles
from cloudfiles.compression import decompress
from cloudvolume.chunks import DEFAULT_CSEG_BLOCK_SIZE, decode
from cloudvolume.datasource.precomputed.common import compressed_morton_code
from cloudvolume.datasource.precomputed.sharding import ShardReader
from cloudvolume.frontends import CloudVolumePrecomputed

from pipeline.geometry import Triple, spread, triple
from pipeline.machine.stores import cloud_files, status_of
from pipeline.volumes.address import Address, address, contents, sizes
from pipeline.volumes.local_shards import LocalShards
from pipeline.volumes.remote_store import REFUSALS
from pipeline.volumes.sampled_stamp import SAMPLED, sampled_stamp
from pipeline.volumes.web import REFUSED, WEB, are_there

SUFFIXES = {"": "", ".gz": "gzip", ".br": "br", ".zstd": "zstd", ".xz": "xz", ".bz2": "bz2"}
"""What CloudVolume adds to the names of local files that it compresses, and how it calls that."""


class PrecomputedChunks:
    """Of the level at which `cloud` stands. An index is a chunk's position x, y, z in the grid, as stored."""

    def __init__(self, cloud: CloudVolumePrecomputed) -> None:
        self._cloud = cloud
        self._meta = cloud.meta
        self._mip = cloud.mip
        self._grid = triple([int(n) for n in cloud.image.grid_size(cloud.mip)])
        self._sharded = cloud.image.is_sharded(cloud.mip)
        self.folder = f"{self._meta.cloudpath}/{self._meta.key(self._mip)}"

    @property
    def is_local(self) -> bool:
        return self._meta.path.protocol == "file"

    @property
    def is_empty(self) -> bool:
        """Whether the folder is empty or not there; only of a local one, others may refuse to be listed."""
        if not self.is_local:
            return False
        folder = _local(self.folder)
        return not folder.is_dir() or not any(os.scandir(folder))

    def read(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
        """The voxels from start to stop, coordinates x, y, z: an array x, y, z, channel.

        CloudVolume does the same, with three times the work around it where the files are at hand; of others
        it reads a shard's index each time, and prints what it cannot unpack.
        """
        bounds, chunk = self._meta.bounds(self._mip), self._meta.chunk_size(self._mip)
        offset, size, end = (np.array([int(n) for n in each]) for each in (bounds.minpt, chunk, bounds.maxpt))
        first, last = (np.subtract(start, offset) // size), -(np.subtract(offset, stop) // size)
        shape = (*np.subtract(stop, start).tolist(), int(self._meta.num_channels))
        voxels = np.empty(shape, self._meta.dtype, order="F")
        indices = [triple(list(index)) for index in product(*map(range, first.tolist(), last.tolist()))]
        for index, (content, packing) in zip(indices, self._contents(indices)):
            low = offset + np.array(index) * size
            high = np.minimum(low + size, end)
            a, b = np.maximum(low, start), np.minimum(high, stop)
            here, there = (
                tuple(map(slice, (a - corner).tolist(), (b - corner).tolist())) for corner in (start, low)
            )
            if content is None:
                voxels[here] = 0
            else:
                shape = (high - low).tolist()
                voxels[here] = self._decoded(content, packing, self._name(index), shape)[there]
        return voxels

    def _contents(self, indices: Sequence[Triple]) -> Iterator[tuple[bytes | None, str]]:
        """What is stored of each chunk, None where nothing is, and how it is packed."""
        if not self.is_local:
            yield from self._fetched(indices)
        elif self._sharded:
            codes, packing = self._codes(indices), self._reader.spec.data_encoding
            stored = self._shards.read(codes)
            yield from ((stored.get(code), "" if packing == "raw" else packing) for code in codes)
        else:
            yield from map(self._content, map(self._name, indices))

    def _fetched(self, indices: Sequence[Triple]) -> list[tuple[bytes | None, str]]:
        """Those of a volume that is not local; an object without a byte is none."""
        if self._sharded:
            codes = self._codes(indices)
            stored = self._reader.get_data(codes, self._meta.key(self._mip))
            return [(stored.get(code) or None, "") for code in codes]
        names = list(map(self._name, indices))
        try:
            # packed as they are: CloudFiles does not say which cannot be unpacked
            found = {each["path"]: each for each in self._files.get(names, raw=True)}
        except Exception as error:  # of as many kinds as there are stores
            if status_of(error) not in REFUSALS:
                raise
            return [(content or None, "") for content in contents([self._bucket / name for name in names])]
        return [(found[name]["content"] or None, found[name]["compress"] or "") for name in names]

    def _content(self, name: str) -> tuple[bytes | None, str]:
        """That of a chunk's local file; an empty file is none, unless it is packed."""
        path = _local(self.folder) / name
        file = _compressed(path)
        content = file.read_bytes() if file.is_file() else b""
        if file == path and not content:
            return None, ""
        return content, SUFFIXES[file.name.removeprefix(name)]

    def _decoded(self, content: bytes, packing: str, name: str, shape: Sequence[int]) -> np.ndarray:
        """The voxels of a chunk. Raises ValueError."""
        meta, mip = self._meta, self._mip
        try:
            return decode(
                decompress(content, packing, name),
                meta.encoding(mip),
                [*shape, int(meta.num_channels)],
                meta.dtype,
                meta.compressed_segmentation_block_size(mip) or DEFAULT_CSEG_BLOCK_SIZE,
            )
        except Exception as error:  # of as many kinds as there are codecs
            raise ValueError(f"chunk {name} cannot be unpacked: {error}") from error

    def stored(self, indices: Sequence[Triple]) -> list[bool]:
        """Of each chunk whether it is there: its file, which is not empty, or its row in a shard."""
        if not indices:
            return []
        if self._sharded:
            codes = self._codes(indices)
            if self.is_local:
                listed = self._shards.listed(codes)
                return [code in listed for code in codes]
            rows = self._reader.exists(codes, self._meta.key(self._mip), return_byte_range=True)
            return [rows[code] is not None and rows[code][2] > 0 for code in codes]
        names = [self._name(index) for index in indices]
        if self.is_local:
            return [_holds_data(_local(self.folder) / name) for name in names]
        if self._meta.path.protocol in WEB:
            return are_there(self._files._get_connection, names)
        return list(map(bool, sizes([self._bucket / name for name in names])))

    def local_stamp(self) -> str:
        """Of the info file, and of a sample of the chunks' files, or of their shards'."""
        numbers = spread(range(math.prod(self._grid)), SAMPLED)
        indices = [triple([int(n) for n in np.unravel_index(number, self._grid)]) for number in numbers]
        if self._sharded:
            names = sorted({self._reader.get_filename(code) for code in self._codes(indices)})
        else:
            names = [self._name(index) for index in indices]
        folder = _local(self.folder)
        info = _compressed(_local(self._meta.cloudpath) / "info")
        return sampled_stamp(folder, [info], [_compressed(folder / name) for name in names])

    @cached_property
    def _files(self) -> CloudFiles:
        return cloud_files(self.folder)

    @cached_property
    def _bucket(self) -> Address:
        """The level's folder in a bucket that has given the info file: if it still does, and refuses whatever
        it does not have, what is refused is not there. Raises OSError where it gives that no more."""
        found = address(self._meta.cloudpath)
        assert found is not None, "what is not local has an address"
        if (found[0] / "info").get() is None:
            raise PermissionError(errno.EACCES, f"the info file is refused ({REFUSED})")
        return found[0] / self._meta.key(self._mip)

    @cached_property
    def _shards(self) -> LocalShards:
        return LocalShards(_local(self.folder), self._reader)

    @cached_property
    def _reader(self) -> ShardReader:
        return self._cloud.image.shard_reader(self._mip)

    def _codes(self, indices: Sequence[Triple]) -> list[int]:
        return [int(code) for code in compressed_morton_code(indices, self._grid)]

    def _name(self, index: Triple) -> str:
        bounds, chunk = self._meta.bounds(self._mip), self._meta.chunk_size(self._mip)
        starts = [int(first) + i * int(size) for first, i, size in zip(bounds.minpt, index, chunk)]
        stops = [min(start + int(size), int(end)) for start, size, end in zip(starts, chunk, bounds.maxpt)]
        return "_".join(f"{start}-{stop}" for start, stop in zip(starts, stops))


def _local(cloudpath: str) -> Path:
    return Path(cloudpath.removeprefix("file://"))


def _compressed(path: Path) -> Path:
    """The file as it is there, perhaps with a suffix for its compression; `path` where there is none."""
    found = (path.with_name(path.name + suffix) for suffix in SUFFIXES)
    return next((file for file in found if file.is_file()), path)


def _holds_data(path: Path) -> bool:
    """An empty file is read as 0 without a word; reading a compressed one that is empty is an error."""
    file = _compressed(path)
    return file.is_file() and (file != path or file.stat().st_size > 0)
