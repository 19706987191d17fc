"""Trouble with the disk while a run writes: it gets full, or writing is not allowed any more.

Each takes a new folder and the results of an undisturbed run, and returns an outcome and a remark. The
command must end in a clear error and, once the trouble is over, the same command in the same bytes.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from small_run import Patience, SmallRun

DISK_MIB = 48
"""Room for a small run and its logs, several times over, and little to fill."""

MAX_FILE_BYTES = 1 << 16
"""Less than the phantom takes."""

Outcome = tuple[str, str]


class SkippedError(Exception):
    """This trouble cannot be made here; the message says why."""


def refusal(run: SmallRun, code: int) -> Outcome:
    """Whether a command that ended with `code`, not 0, said clearly why: the outcome and a remark."""
    output = run.output()
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    if code != 1 or not errors:
        return "wrong", f"exit code {code} without an error line:\n{run.tail()}"
    if any(re.match(r"error: \w+(Error|Exception): ", line) for line in errors):
        return "wrong", f"not an error that a user can mend: {errors[0]}"
    if tracebacks := output.count("Traceback"):
        return "wrong", f"{tracebacks} tracebacks hide the {errors[0]!r}"
    return "refused", errors[0]


def full_in_training(home: Path, results: dict[str, str]) -> Outcome:
    """The disk gets full while checkpoints are written."""
    return _full(home, results, lambda run: run.training_lines() >= 4)


def full_in_tiles(home: Path, results: dict[str, str]) -> Outcome:
    """The disk gets full while tiles are written."""
    return _full(home, results, lambda run: len(run.finished("segment")) >= 2)


def too_large(home: Path, results: dict[str, str]) -> Outcome:
    """No file may grow beyond 64 KiB, as under a quota: a stand-in where no disk can be mounted."""
    run = SmallRun(home)
    limit = (MAX_FILE_BYTES, MAX_FILE_BYTES)
    code = run.finish(before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    return _over(run, code, results)


def locked(home: Path, results: dict[str, str]) -> Outcome:
    """The folders of the tiles, in which some are finished, take no more files."""
    run = SmallRun(home)
    tiles = run.folder / "tiles"
    try:
        code = _disturb(run, lambda run: len(run.finished("segment")) >= 2, lambda: _lock_all(tiles))
    finally:
        _unlock_all(tiles)
    return _over(run, code, results)


TROUBLES: dict[str, Callable[[Path, dict[str, str]], Outcome]] = {
    "full disk in training": full_in_training,
    "full disk in segmenting": full_in_tiles,
    "file size limit": too_large,
    "no permission to write tiles": locked,
}


def _full(home: Path, results: dict[str, str], when: Callable[[SmallRun], bool]) -> Outcome:
    run = SmallRun(home)
    with _small_disk(run.folder):
        filler = run.folder / "filler"
        code = _disturb(run, when, lambda: _fill(filler))
        filler.unlink(missing_ok=True)
        return _over(run, code, results)


def _over(run: SmallRun, code: int, results: dict[str, str]) -> Outcome:
    """The trouble is over: what the command said while it lasted, and whether it ends well now."""
    outcome, remark = refusal(run, code) if code else ("wrong", "the trouble went unnoticed")
    again = run.finish()
    if again != 0 or run.results() != results:
        return "wrong", f"{remark}; the command after it: exit code {again}\n{run.tail()}"
    return outcome, remark


def _disturb(run: SmallRun, when: Callable[[SmallRun], bool], trouble: Callable[[], None]) -> int:
    """Give the command, make trouble as soon as `when` says so, and return the exit code."""
    process, patience, made = run.start(), Patience(run), False
    try:
        while process.poll() is None:
            if not made and when(run):
                trouble()
                made = True
            patience.check()
            time.sleep(0.02)
    finally:
        run.end()
        process.wait()
    return process.returncode


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A disk of `DISK_MIB` in memory, mounted at `folder`; raises SkippedError where that is not allowed."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    _command(mount)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill(filler: Path) -> None:
    """Write until there is no room left."""
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def _lock_all(folder: Path) -> None:
    for each in (folder, *folder.glob("z*"), *folder.glob("z*/y*")):
        _lock(each)


def _unlock_all(folder: Path) -> None:
    for each in (folder, *folder.glob("z*"), *folder.glob("z*/y*")):
        _unlock(each)


def _lock(folder: Path) -> None:
    """Take the permission to write from everyone; root heeds no mode, but an immutable folder."""
    if os.geteuid() == 0:
        _command(["chattr", "+i", str(folder)])
    else:
        folder.chmod(0o555)


def _unlock(folder: Path) -> None:
    if os.geteuid() == 0:
        subprocess.run(["chattr", "-i", str(folder)], check=False)
    else:
        folder.chmod(0o755)


def _command(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SkippedError(f"{' '.join(words[:2])}: {done.stderr.strip()}")
