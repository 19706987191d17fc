"""A file of another time of change is read once: by the first start after a copy, and by no look after it."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import inspect, make
from pipeline.results.times import Touched, set_times_back


def made(folder: Path) -> Target:
    """A finished artifact."""

    def write(path: Path) -> None:
        path.write_text("content")

    target = Target(folder / "made", Recipe("stage", 1, {}, {}))
    make(target, write)
    return target


def test_what_was_read_gets_back_the_time_of_its_record(tmp_path: Path) -> None:
    target = made(tmp_path)
    recorded_ns = target.path.stat().st_mtime_ns
    os.utime(target.path)
    touched: list[Touched] = []
    assert isinstance(inspect(target, touched=touched), Artifact)
    assert [each.path for each in touched] == [str(target.path)]
    set_times_back(touched)
    assert target.path.stat().st_mtime_ns == recorded_ns
    again: list[Touched] = []
    assert isinstance(inspect(target, touched=again), Artifact)
    assert again == []


def test_what_was_changed_since_it_was_read_stays_suspect(tmp_path: Path) -> None:
    target = made(tmp_path)
    os.utime(target.path)
    touched: list[Touched] = []
    assert isinstance(inspect(target, touched=touched), Artifact)
    target.path.write_text("another")
    set_times_back(touched)
    assert not isinstance(inspect(target), Artifact)
