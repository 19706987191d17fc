"""Whether a folder can hold a run: files that are there for good, change in one step, and can be locked."""

from __future__ import annotations

import fcntl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.checkup.finding import Finding, fail, ok, skip, warn
from pipeline.results.artifacts import publishing
from pipeline.results.attempts.locks import lock
from pipeline.results.attempts.owner import DEAD_AFTER_S, HEARTBEAT_EVERY_S
from pipeline.results.flush import flush
from pipeline.results.folders import existing_part

CLOCK_S = 5.0
"""A difference between clocks that harms nothing."""


def writing(folder: Path) -> Finding:
    """A file is written, flushed to the disk and replaced in one step, as results are, and removed again.

    A folder that is not there yet is made by the run: its nearest parent is tried.
    """
    place = existing_part(folder)
    if not place.is_dir():
        return fail(f"{place} is a file, not a folder", "choose another --run-dir")
    try:
        with _scratch(place) as file:
            for text in ("before", "after"):
                with publishing(file) as temporary:
                    temporary.write_text(text)
            replaced = file.read_text() == "after"
            with open(file) as written:
                flushed = flush(written.fileno())
    except OSError as error:
        return fail(f"cannot write in {place}: {error.strerror or error}", "choose another --run-dir")
    if not replaced:
        return fail(f"a file in {place} cannot be replaced in one step", "choose another --run-dir")
    if not flushed:
        return warn(
            f"the file system of {place} cannot flush what is written",
            "after a crash of the machine, start the run with --verify",
        )
    return ok(f"written, flushed and renamed in {place}")


def locks(folder: Path) -> Finding:
    """Whether a lock on a file, by which one driver owns a folder, keeps another out."""
    try:
        with _scratch(existing_part(folder)) as file, open(file, "w") as first, open(file, "r+") as second:
            known = lock(first.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                lock(second.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return ok("flock keeps a second driver out")
    except OSError as error:
        return skip(f"no file can be written there: {error.strerror or error}")
    why = "flock keeps nobody out" if known else "this file system has no flock"
    return warn(why, "do not start two drivers on this run folder at the same time")


def clock(folder: Path) -> Finding:
    """The time of this machine against that of the file system, by which a driver's heartbeat is dated."""
    try:
        with _scratch(existing_part(folder)) as file:
            before = time.time()
            file.write_text("now")
            after = time.time()
            written = file.stat().st_mtime
    except OSError as error:
        return skip(f"no file can be written there: {error.strerror or error}")
    return judge_clock(written - min(max(written, before), after))


def judge_clock(ahead_s: float) -> Finding:
    """What it means that the file system's clock is `ahead_s` seconds ahead of this machine's, or behind."""
    if abs(ahead_s) < CLOCK_S:
        return ok(f"within {CLOCK_S:g} s of the file system's")
    found = f"the file system's clock is {abs(ahead_s):.0f} s {'ahead' if ahead_s > 0 else 'behind'}"
    if -ahead_s > DEAD_AFTER_S - HEARTBEAT_EVERY_S:
        return fail(
            f"{found}: a living driver on another machine looks dead", "set this machine's clock (NTP)"
        )
    return warn(found, "set this machine's clock (NTP)")


@contextmanager
def _scratch(place: Path) -> Iterator[Path]:
    """A path for a file in a folder of its own, which is gone afterwards. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix=".doctor.", dir=place) as scratch:
        yield Path(scratch) / "file"
