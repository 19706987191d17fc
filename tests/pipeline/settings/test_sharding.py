"""Which chunks share a file, against CloudVolume's numbering of them: each file is of one block alone."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from cloudvolume.datasource.precomputed.common import compressed_morton_code
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Reconciliation
from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.settings.sharding import chunk_number, refuse_single_chunks, sharding

CHUNK = (3, 4, 5)
triples = st.tuples(*[st.integers(1, 9)] * 3)


def settings_of(block: Triple) -> Reconciliation:
    voxels = [n * c for n, c in zip(block, CHUNK)]
    return Reconciliation.model_validate({"chunk": CHUNK, "block": voxels})


def shape_of(grid: Triple) -> Triple:
    return grid[0] * CHUNK[0] - 2, grid[1] * CHUNK[1] - 3, grid[2] * CHUNK[2] - 4


def blocks_of_files(grid: Triple, block: Triple) -> dict[int, set[Triple]]:
    """Of every file the blocks whose chunks are in it."""
    spec = sharding(shape_of(grid), settings_of(block))
    places = np.array(list(product(*map(range, reversed(grid)))))  # x, y, z
    shared = spec["preshift_bits"] + spec["minishard_bits"]
    numbers = [int(number) for number in compressed_morton_code(places, list(reversed(grid)))]
    assert max(numbers) < 2 ** (shared + spec["shard_bits"])
    found: dict[int, set[Triple]] = {}
    for (x, y, z), number in zip(places.tolist(), numbers):
        assert chunk_number((z, y, x), grid) == number
        found.setdefault(number >> shared, set()).add((z // block[0], y // block[1], x // block[2]))
    return found


@settings(deadline=None)
@given(triples, triples)
def test_no_file_is_of_two_blocks(grid: Triple, block: Triple) -> None:
    found = blocks_of_files(grid, block)
    assert {len(blocks) for blocks in found.values()} == {1}
    try:
        refuse_single_chunks(shape_of(grid), settings_of(block))
    except InputError as error:
        assert len(found) == math.prod(grid)
        fitting = next(b for b in (2, 4, 8) if f"set it to {[b * c for c in CHUNK]}" in str(error))
        found = blocks_of_files(grid, (fitting,) * 3)
        assert len(found) < math.prod(grid)
    assert {len(blocks) for blocks in found.values()} == {1}


@pytest.mark.parametrize("block", [(1, 1, 1), (2, 2, 2), (4, 4, 4), (4, 4, 8), (4, 8, 8)])
def test_a_block_that_is_a_cube_of_a_power_of_two_or_nearly_is_one_file(block: Triple) -> None:
    found = blocks_of_files((16, 19, 21), block)
    assert len(found) == len(set().union(*found.values()))


@pytest.mark.parametrize("grid", [(1, 9, 9), (9, 1, 9), (9, 9, 1), (1, 1, 9)])
def test_an_axis_that_one_block_covers_does_not_matter(grid: Triple) -> None:
    block = (4, 4, 4)
    found = blocks_of_files(grid, block)
    assert len(found) == math.prod(-(-n // 4) for n in grid)


def test_a_block_of_several_chunks_that_cannot_share_a_file_is_refused_with_one_that_can() -> None:
    message = (
        r"block \[9, 12, 15\] cannot .* chunks of \[3, 4, 5\]: set it to \[12, 16, 20\], or .*sharded to"
    )
    with pytest.raises(InputError, match=message):
        refuse_single_chunks((90, 90, 90), settings_of((3, 3, 3)))


def test_an_index_is_of_no_more_than_512_chunks() -> None:
    spec = sharding((3 * 64, 4 * 64, 5 * 64), settings_of((16, 16, 16)))
    assert (spec["preshift_bits"], spec["minishard_bits"], spec["shard_bits"]) == (9, 3, 6)
