"""The kill test in its shortest form: one process of each kind is killed, in shorter runs."""

from __future__ import annotations

import sys

import pytest
from kill_test import KillTest, Tally
from killer import KINDS

SHORTER = ("--set", "training.fovs=1200", "--set", "inference.deltas=[4,4,4]")

pytestmark = [
    pytest.mark.thorough,  # test_end_to_end kills each kind of process too, in one run
    pytest.mark.skipif(sys.platform != "linux", reason="processes are tied to each other by a Linux call"),
]


@pytest.fixture(scope="module")
def tally(tmp_path_factory: pytest.TempPathFactory) -> Tally:
    return KillTest(tmp_path_factory.mktemp("kills"), seed=2, options=SHORTER).run(kills=len(KINDS))


def test_each_kind_of_process_is_killed_once(tally: Tally) -> None:
    assert tally.by_kind == dict.fromkeys(KINDS, 1)


def test_whatever_was_killed_the_same_command_ends_in_the_same_bytes(tally: Tally) -> None:
    assert tally.identical
    assert not tally.failed
    assert tally.hangs == 0


def test_no_finished_tile_is_made_again(tally: Tally) -> None:
    assert tally.recomputed_finished == 0


def test_no_process_outlives_its_driver(tally: Tally) -> None:
    assert tally.orphans == 0
