"""Chunks in the shards of a local volume, read where they lie.

CloudVolume hands even files at hand to threads, and looks every tenth of a second whether they are done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from cloudvolume.datasource.precomputed.sharding import ShardReader


class LocalShards:
    """Of one level, whose shards lie in `folder`; `reader` knows how they are laid out.

    A chunk is named by its compressed Morton code. Raises ValueError and OSError where a shard is torn.
    """

    def __init__(self, folder: Path, reader: ShardReader) -> None:
        self._folder = folder
        self._reader = reader

    def listed(self, codes: Iterable[int]) -> set[int]:
        """Those of these chunks that a shard lists."""
        found: set[int] = set()
        for path, wanted in self._shards(codes).items():
            with path.open("rb") as file:
                found |= self._places(file, wanted).keys()
        return found

    def read(self, codes: Iterable[int]) -> dict[int, bytes]:
        """What is stored of each of these chunks that a shard lists, packed as the shards' data is."""
        found: dict[int, bytes] = {}
        for path, wanted in self._shards(codes).items():
            with path.open("rb") as file:
                for code, (offset, size) in self._places(file, wanted).items():
                    found[code] = _bytes(file, offset, size)
        return found

    def _shards(self, codes: Iterable[int]) -> dict[Path, dict[int, list[int]]]:
        """The codes by the files that are there and hold anything, and by their minishards."""
        wanted: dict[Path, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for code in codes:
            name, minishard = self._reader.compute_shard_location(code)
            wanted[self._folder / name][int(minishard)].append(code)
        return {path: of for path, of in wanted.items() if path.is_file() and path.stat().st_size}

    def _places(self, file: BinaryIO, wanted: dict[int, list[int]]) -> dict[int, tuple[int, int]]:
        """Where in a shard each code's chunk begins, and how many bytes it has; not of one without any."""
        reader, places = self._reader, {}
        index = reader.decode_index(_bytes(file, 0, reader.spec.index_length()), file.name)
        for minishard, codes in wanted.items():
            start, stop = map(int, index[minishard])
            if start == stop:
                continue
            rows = reader.decode_minishard_index(_bytes(file, start, stop - start), file.name)
            for code in codes:
                for _, offset, size in rows[(rows[:, 0] == np.uint64(code)) & (rows[:, 2] > 0)][:1].tolist():
                    places[code] = (offset, size)
        return places


def _bytes(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    content = file.read(size)
    if len(content) != size:
        raise ValueError(f"{file.name} ends before byte {start + size:,}")
    return content
