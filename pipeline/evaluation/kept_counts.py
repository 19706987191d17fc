"""The counts of all blocks of a box, in memory that does not grow with their number."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.comparison import part_shape
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import BoxCounts, CountsSum
from pipeline.geometry import Box, Triple, triple

MOST_WAITING = 1 << 14
"""Rows that may wait to be added up, in each of the sums: there may be 150."""


class KeptCounts:
    """Those of parts, or of many blocks together, by `part_shape`; those of single blocks in a file."""

    def __init__(self, box: Box, file: IO[bytes]) -> None:
        self.box, self.part = box, part_shape(box)
        self._sums: dict[Triple, CountsSum] = {}
        self._blocks: list[Box] = []
        self._file = file

    def add(self, block: Box, counts: Sequence[BoxCounts]) -> None:
        """Keep the counts of the parts of a block. Raises InputError where there is no room for them."""
        for part, found in zip(block.parts(self.part), counts):
            place = triple([(a - o) // n for a, o, n in zip(part.start, self.box.start, self.part)])
            self._sums.setdefault(place, CountsSum(MOST_WAITING)).add(found)
        self._blocks.append(block)
        try:
            np.save(self._file, ContingencyTable.total(found.as_is for found in counts).columns)
            self._file.flush()
        except OSError as error:
            with suppress(OSError):  # closing tries to write once more
                self._file.close()
            raise InputError(
                f"counts of blocks cannot be kept in {tempfile.gettempdir()}: {error.strerror}; set TMPDIR "
                "to a folder with room"
            ) from None

    def parts(self) -> list[BoxCounts]:
        """Of the parts that are counted apart, in the order in which they were met."""
        return [found.counts() for found in self._sums.values()]

    def by_block(self) -> Iterator[tuple[Box, ContingencyTable]]:
        """Each block with its table, in the order in which they were added."""
        self._file.seek(0)
        for block in self._blocks:
            yield block, ContingencyTable.of_columns(np.load(self._file))
