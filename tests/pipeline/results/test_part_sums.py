"""What depends on a few parts of a file is the same as long as these parts are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import Unreadable
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.hdf5_file import write_hdf5
from pipeline.results.part_sums import identity_of, sum_of, write_sums
from tests.denied import denied


def file_of(path: Path, *parts: list[int]) -> Artifact:
    write_hdf5(path, lambda file: write_sums(file, (sum_of(np.array(part)) for part in parts)))
    return Artifact(str(path), file_sha256(path))


def test_the_identity_of_parts_changes_with_them_and_with_no_others(tmp_path: Path) -> None:
    before = file_of(tmp_path / "before", [1], [2, 3], [])
    after = file_of(tmp_path / "after", [1], [2, 4], [])
    assert identity_of(before, [0, 2]) == identity_of(after, [0, 2])
    assert identity_of(before, [1]) != identity_of(after, [1])
    assert len({identity_of(before, parts) for parts in ([0], [1], [2], [0, 1], [1, 0], [])}) == 6


def test_arrays_are_told_apart_by_all_that_is_in_them() -> None:
    assert len({sum_of(*arrays) for arrays in ((np.arange(3),), (np.arange(4),), (np.array([1]),), ())}) == 4


@pytest.mark.parametrize("content", [None, b"no HDF5"])
def test_a_file_without_sums_stands_for_itself_as_a_whole(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "table"
    if content is not None:
        path.write_bytes(content)
    assert identity_of(Artifact(str(path), "whole"), [0]) == "whole"
    again = file_of(path, [1])  # once it is there, it has its own
    assert identity_of(again, [0]) != again.sha256


def test_a_file_of_fewer_parts_stands_for_itself_as_a_whole(tmp_path: Path) -> None:
    """As the table of a run that had fewer tiles before, which is asked about until it is made anew."""
    earlier = file_of(tmp_path / "table", [1])
    assert identity_of(earlier, [0, 1]) == earlier.sha256


def test_one_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    made = file_of(tmp_path / "table", [1])
    with denied(tmp_path / "table"), pytest.raises(Unreadable, match="table"):
        identity_of(made, [0])
