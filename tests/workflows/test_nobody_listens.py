"""Whoever listens to a run may go away: the run goes on to its end, or says why it ended."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from test_pilot import folder as small_run

from pipeline.results.attempts import read_attempts
from workflows.output import PassingFile

pytestmark = pytest.mark.slow

__all__ = ["small_run"]

REPOSITORY = Path(__file__).parents[2]


def start(program: str, *options: str, stdout: int | IO[str], nohup: bool = False) -> subprocess.Popen[str]:
    """A command in a session of its own; both its streams go to `stdout`, which it alone has open then."""
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "workflows" / program), *options],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stdout,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL),
    )
    if isinstance(stdout, int) and stdout >= 0:
        os.close(stdout)
    return process


@pytest.mark.parametrize("descriptor", [lambda: os.open("/dev/full", os.O_WRONLY), lambda: closed_pipe()])
def test_a_stream_that_fails_swallows_everything_from_then_on(descriptor: Callable[[], int]) -> None:
    with PassingFile(descriptor(), "wb") as stream:
        assert not stream.is_gone
        assert stream.write(b"lost") == 4
        assert stream.is_gone
        assert stream.write(b"lost") == 4
        os.write(stream.fileno(), b"that of a library too")


def test_a_stream_that_has_no_room_now_is_waited_for() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with PassingFile(write, "wb") as stream, open(read, "rb") as listener:
        sent = stream.write(b"a" * (1 << 20))
        late = threading.Timer(0.2, listener.read, [sent])
        late.start()
        assert (stream.write(b"b"), stream.is_gone) == (1, False)
        late.join()
        assert listener.read(1) == b"b"


def closed_pipe() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


def wait_for(condition: Callable[[], object], timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_a_run_outlives_its_listeners_and_says_why_it_was_stopped(small_run: Path) -> None:
    run = small_run / "run"
    options = ("--config", str(small_run / "run.yaml"), "--run-dir", str(run))
    log = run / "logs" / "driver.log"

    stopped = start("full_pipeline.py", *options, stdout=closed_pipe())
    wait_for(lambda: log.exists() and "run folder" in log.read_text())
    os.killpg(stopped.pid, signal.SIGHUP)
    assert stopped.wait(60) == 130
    assert [(a["exit"], a["why"]) for a in read_attempts(run)] == [("interrupted", "SIGHUP")]

    listener, terminal = pty.openpty()
    under_nohup = start("full_pipeline.py", *options, stdout=terminal, nohup=True)
    os.read(listener, 1)
    os.close(listener)
    os.killpg(under_nohup.pid, signal.SIGHUP)
    assert under_nohup.wait(300) == 0
    assert f"segmentation  precomputed://file://{run / 'segmentation'}" in log.read_text()

    with open("/dev/full", "w") as full:
        assert start("full_pipeline.py", *options, stdout=full).wait(300) == 0
    assert log.read_text().count("everything    ") == 2
    assert [a["exit"] for a in read_attempts(run)] == ["interrupted", 0, 0]

    watching = start("status.py", str(run), "--watch", stdout=subprocess.PIPE)
    assert watching.stdout is not None
    assert watching.stdout.readline().strip()
    watching.stdout.close()
    assert watching.wait(60) == 0


def test_what_cannot_be_told_ends_in_the_same_exit_code(small_run: Path) -> None:
    options = ("--config", str(small_run / "run.yaml"), "--run-dir", str(small_run / "run"))
    plan = start("full_pipeline.py", *options, "--dry-run", stdout=closed_pipe())
    refused = start("full_pipeline.py", *options, "--rates", "x", stdout=closed_pipe())
    assert (plan.wait(120), refused.wait(120)) == (0, 1)
