"""A checkpoint is what was saved or nothing, and the one before it is there when the last is damaged."""

from __future__ import annotations

import logging
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.results.sealed_hdf5 import HEADER_BYTES
from pipeline.training.checkpoint import Checkpoint, previous
from pipeline.training.progress import Progress, Stretch

SAVE_WITHOUT_END = """
import itertools, pathlib, sys
from tests.pipeline.training.test_checkpoint import checkpoint
for rounds in itertools.count():
    checkpoint(rounds).save(pathlib.Path(sys.argv[1]))
"""


def checkpoint(rounds: int, lineage: str = "ours") -> Checkpoint:
    """A checkpoint whose every number says after how many rounds it was taken."""
    value = np.float32(rounds)
    return Checkpoint(
        lineage,
        Progress(rounds, 10 * rounds, (Stretch(40 * rounds, 2, 1), Stretch(20, 1, 1))),
        {"conv0_a/kernel": np.full((3, 3, 3, 2, 4), value), "conv0_a/bias": np.full(4, value)},
        [np.array(rounds), *(np.full(4, value) for _ in range(11))],
        [{"step": rounds, "loss": 0.1 * rounds}],
    )


def assert_same(found: Checkpoint | None, expected: Checkpoint) -> None:
    assert found is not None
    assert (found.lineage, found.progress) == (expected.lineage, expected.progress)
    assert list(found.log_entries) == list(expected.log_entries)
    assert found.weights.keys() == expected.weights.keys()
    for name, value in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], value, strict=True)
    for one, other in zip(found.optimizer, expected.optimizer, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The file of the checkpoint after round 2; the one after round 1 is kept before it."""
    path = tmp_path / "checkpoint.h5"
    for rounds in (1, 2):
        checkpoint(rounds).save(path)
    return path


def test_the_last_two_are_kept_and_the_last_is_loaded(saved: Path) -> None:
    assert_same(Checkpoint.load(saved, "ours"), checkpoint(2))
    checkpoint(3).save(saved)
    assert_same(Checkpoint.load(saved, "ours"), checkpoint(3))
    assert_same(Checkpoint.load(previous(saved), "ours"), checkpoint(2))
    assert sorted(p.name for p in saved.parent.iterdir()) == ["checkpoint.h5", "checkpoint.previous.h5"]


def test_it_can_be_read_by_any_program_that_knows_hdf5(saved: Path) -> None:
    with h5py.File(saved) as file:
        assert file["weights/conv0_a/bias"][()].tolist() == [2, 2, 2, 2]
        assert file.attrs["steps"] == 20


def test_a_checkpoint_of_another_lineage_is_ignored(saved: Path) -> None:
    assert Checkpoint.load(saved, "theirs") is None
    checkpoint(9, lineage="theirs").save(saved)
    assert_same(Checkpoint.load(saved, "theirs"), checkpoint(9, lineage="theirs"))
    assert_same(Checkpoint.load(saved, "ours"), checkpoint(2))


def test_where_no_training_was_there_is_none_and_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert Checkpoint.load(tmp_path / "checkpoint.h5", "ours") is None
    assert not caplog.records


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(-1, 7))
def test_a_torn_or_flipped_checkpoint_is_named_and_the_one_before_it_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: float, bit: int
) -> None:
    """Cut at any place (bit -1), or any one bit flipped, in the header as in the rest."""
    path = tmp_path / "checkpoint.h5"
    for rounds in (1, 2):
        checkpoint(rounds).save(path)
    damage(path, place, bit)
    caplog.clear()
    assert_same(Checkpoint.load(path, "ours"), checkpoint(1))
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert f"{path} is not used: it is torn or changed" in warning.getMessage()


def damage(path: Path, place: float, bit: int) -> None:
    content = bytearray(path.read_bytes())
    at = int(place * len(content))
    if bit < 0:
        del content[at:]
    else:
        content[at] ^= 1 << bit
    path.write_bytes(content)


def test_two_damaged_ones_are_none(saved: Path) -> None:
    damage(saved, 0.5, bit=3)
    damage(previous(saved), 0.9, bit=-1)
    assert Checkpoint.load(saved, "ours") is None


def test_one_that_cannot_be_read_is_named(saved: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved.unlink()
    saved.mkdir()
    assert_same(Checkpoint.load(saved, "ours"), checkpoint(1))
    assert f"{saved} is not used: it cannot be read (Is a directory)" in caplog.text


def test_a_missing_one_is_named_and_the_one_before_it_taken(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved.unlink()
    assert_same(Checkpoint.load(saved, "ours"), checkpoint(1))
    assert f"{saved} is missing" in caplog.text


def test_a_damaged_one_does_not_push_out_the_good_one_before_it(saved: Path) -> None:
    damage(saved, 0.5, bit=0)
    checkpoint(3).save(saved)
    assert_same(Checkpoint.load(previous(saved), "ours"), checkpoint(1))
    damage(saved, 0.5, bit=0)
    assert_same(Checkpoint.load(saved, "ours"), checkpoint(1))


def test_a_file_of_another_kind_is_damage_too(saved: Path) -> None:
    """As is a checkpoint from before there was a header."""
    with h5py.File(saved, "w") as file:
        file.attrs["lineage"] = "ours"
    assert saved.stat().st_size > HEADER_BYTES
    assert_same(Checkpoint.load(saved, "ours"), checkpoint(1))


def test_a_saver_killed_at_any_moment_leaves_a_whole_one(tmp_path: Path) -> None:
    path, rng = tmp_path / "checkpoint.h5", random.Random(0)
    for _ in range(8):
        known = rounds_of(path)
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVE_WITHOUT_END, str(path)], cwd=Path(__file__).parents[3]
        )
        deadline = time.monotonic() + 60
        while rounds_of(path) in (known, None):
            assert saver.poll() is None
            assert time.monotonic() < deadline
        time.sleep(rng.uniform(0, 0.05))
        saver.send_signal(signal.SIGKILL)
        saver.wait()
        last = rounds_of(path)
        assert last is not None
        assert_same(Checkpoint.load(path, "ours"), checkpoint(last))


def rounds_of(path: Path) -> int | None:
    found = Checkpoint.load(path, "ours")
    return None if found is None else found.progress.rounds


def test_one_with_spoiled_weights_is_not_taken_up_and_does_not_push_out_the_good_one(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As an earlier version could write it."""
    spoiled = checkpoint(3)
    spoiled.weights["conv0_a/bias"][1] = np.nan
    spoiled.save(saved)
    assert_same(Checkpoint.load(saved, "ours"), checkpoint(2))
    assert f"{saved} is not used: it holds weights that are NaN or infinite" in caplog.text
    checkpoint(4).save(saved)
    assert_same(Checkpoint.read(previous(saved)), checkpoint(2))
