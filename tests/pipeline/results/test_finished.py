"""What was found finished is taken as it was found, until its record is another file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.results.artifacts import Recipe, Target
from pipeline.results.finished import Finished, record_stamp
from pipeline.results.records import make, record_path


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "made", Recipe("stage", 1, {}, {}))


def writing(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)

    return write


def test_what_was_found_counts_until_its_record_is_written_again(target: Target) -> None:
    result = make(target, writing("one"))
    finished = Finished()
    finished.note(7, result, record_stamp(target.path))
    assert (finished.found(7), finished.still(7)) == (result, result)
    assert (finished.found(8), finished.still(8)) == (None, None)
    other = Target(target.path, Recipe("stage", 2, {}, {}))
    make(other, writing("two"))
    assert (finished.found(7), finished.still(7)) == (result, None)


def test_what_has_lost_its_record_counts_no_more(target: Target) -> None:
    finished = Finished()
    finished.note(0, make(target, writing("one")), record_stamp(target.path))
    record_path(target.path).unlink()
    assert finished.still(0) is None


def test_a_copy_is_noted_in_alone(target: Target) -> None:
    finished, result = Finished(), make(target, writing("one"))
    finished.note(0, result, 0)
    finished.copy().note(1, result, 0)
    assert finished.copy().found(0) == result
    assert finished.found(1) is None
