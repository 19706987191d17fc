"""What a run folder is good for: on real files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.checkup.folder import clock, judge_clock, locks, writing


def test_a_good_folder_is_found_good_and_left_as_it_was(tmp_path: Path) -> None:
    assert [check(tmp_path).state for check in (writing, locks, clock)] == ["ok", "ok", "ok"]
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    finding = writing(tmp_path / "a" / "run")
    assert (finding.state, finding.text) == ("ok", f"written, flushed and renamed in {tmp_path}")
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    finding = writing(tmp_path / "run")
    assert finding.state == "FAIL"
    assert f"{tmp_path / 'run'} is a file, not a folder; " in finding.text


def test_where_nobody_can_write_the_folder_fails_once() -> None:
    folder = Path("/proc/run")
    finding = writing(folder)
    assert finding.state == "FAIL"
    assert finding.text.startswith("cannot write in /proc: ")
    assert [locks(folder).state, clock(folder).state] == ["skip", "skip"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_fails(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o555)
    assert "Permission denied" in writing(tmp_path / "run").text


@pytest.mark.parametrize(
    ("ahead_s", "state", "said"),
    [
        (0.0, "ok", "within 5 s"),
        (-4.9, "ok", "within 5 s"),
        (20.0, "warn", "20 s ahead"),
        (-20.0, "warn", "20 s behind"),
        (-51.0, "FAIL", "a living driver on another machine looks dead"),
        (600.0, "warn", "600 s ahead"),
    ],
)
def test_a_clock_far_behind_would_kill_living_drivers(ahead_s: float, state: str, said: str) -> None:
    finding = judge_clock(ahead_s)
    assert finding.state == state
    assert said in finding.text
