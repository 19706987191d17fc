"""Tiles share a machine's memory, and one that it is too small for gets it alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import Unreadable
from pipeline.inference.endurance.memory_share import losses, with_memory
from pipeline.results.attempts.fencing import ATTEMPT
from tests.denied import end_loop, make_loop

HOLD = """
import sys, time
from pathlib import Path
from pipeline.inference.endurance.memory_share import with_memory
def hold():
    print("holding", flush=True)
    sys.stdin.readline()
with_memory(Path(sys.argv[1]), hold)
"""

WAIT_ALONE = """
import sys
from pathlib import Path
from pipeline.inference.endurance.memory_share import with_memory
with_memory(Path(sys.argv[1]), lambda: print("alone", flush=True), alone=True)
"""

KILLED_AT_WORK = """
import os, signal, sys
from pathlib import Path
from pipeline.inference.endurance.memory_share import losses
with losses(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.{})
"""


def start(program: str, argument: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, str(argument)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_work_is_done_side_by_side(tmp_path: Path) -> None:
    holders = [start(HOLD, tmp_path) for _ in range(2)]
    assert [said(holder) for holder in holders] == ["holding", "holding"]
    for holder in holders:
        holder.communicate("\n")


def test_who_wants_the_machine_alone_waits_for_the_others_and_lets_no_new_one_in(tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path)
    assert said(holder) == "holding"
    alone = start(WAIT_ALONE, tmp_path)
    time.sleep(1)
    late = start(HOLD, tmp_path)
    time.sleep(1)
    assert alone.poll() is None
    holder.communicate("\n")
    assert said(alone) == "alone"
    assert said(late) == "holding"
    late.communicate("\n")


class ResourceExhaustedError(Exception):
    """As TensorFlow has it: what it is of says nothing, and its words not what it is."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("too much"),
        RuntimeError("caught std::bad_alloc"),
        ResourceExhaustedError("OOM when allocating tensor with shape[10000000] and type float"),
    ],
)
def test_work_that_runs_out_of_memory_is_done_once_more(tmp_path: Path, error: Exception) -> None:
    calls: list[int] = []

    def work() -> str:
        calls.append(len(calls))
        if len(calls) == 1:
            raise error
        return "done"

    assert with_memory(tmp_path, work) == "done"
    assert len(calls) == 2


def test_memory_that_does_not_suffice_alone_is_an_error_and_any_other_error_passes(tmp_path: Path) -> None:
    calls: list[Exception] = []

    def work(error: Exception) -> None:
        calls.append(error)
        raise error

    with pytest.raises(MemoryError):
        with_memory(tmp_path, lambda: work(MemoryError()))
    assert len(calls) == 2
    with pytest.raises(RuntimeError, match="a bug"):
        with_memory(tmp_path, lambda: work(RuntimeError("a bug")))
    assert len(calls) == 3


def end_at_work(marker: Path, signum: signal.Signals) -> int:
    """The exit code of a process that gets a signal while it works."""
    program = KILLED_AT_WORK.format(signum.name)
    return subprocess.run([sys.executable, "-c", program, str(marker)], env=os.environ).returncode


def test_who_is_told_to_end_is_no_loss_whatever_it_is_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of a job: it may be loading the network, looking for seeds, or waiting for others."""
    marker = tmp_path / "tile"
    monkeypatch.setenv(ATTEMPT, "1")
    assert end_at_work(marker, signal.SIGKILL) == -signal.SIGKILL
    assert end_at_work(marker, signal.SIGTERM) == -signal.SIGTERM
    assert not marker.exists()
    before = signal.getsignal(signal.SIGTERM)
    with losses(marker) as lost:
        assert lost == 0
    assert signal.getsignal(signal.SIGTERM) == before


def test_kills_in_the_middle_of_the_work_are_counted_within_an_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "logs" / "tile.at_work"
    monkeypatch.setenv(ATTEMPT, "1")
    for expected in range(3):
        assert end_at_work(marker, signal.SIGKILL) == -signal.SIGKILL
        assert marker.read_text() == f"1 {expected + 1}"
    with losses(marker) as lost:
        assert lost == 3
    assert not marker.exists()
    marker.write_text("1 3")
    make_loop(marker)
    with pytest.raises(Unreadable, match=str(marker)), losses(marker):
        pytest.fail("the work was begun")
    end_loop(marker)
    monkeypatch.setenv(ATTEMPT, "2")
    with losses(marker) as lost:
        assert lost == 0
