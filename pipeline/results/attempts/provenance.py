"""The record of all attempts on a run folder: who ran what, with which program, and how it ended."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.machine.processor import processor
from pipeline.results.attempts.owner import Owner, now
from pipeline.results.attempts.ownership import configuration_file
from pipeline.results.flush import flush
from pipeline.results.log_lines import lines_of
from pipeline.results.unreadable import mend_write, whose

PACKAGES = (
    "ffn-pipeline",
    "parsl",
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-rocm",
    "keras",
    "horovod",
    "numpy",
    "h5py",
    "cloud-volume",
    "scikit-image",
    "openvino",
    "torch",
)
REPOSITORY = Path(__file__).parents[3]
GIT_TIMEOUT_S = 10
INTERRUPTED = 130
"""Exit code of a program that Ctrl-C or SIGTERM ended, by the convention of shells."""


def record_start(folder: Path, owner: Owner, configuration: str) -> None:
    """Keep the resolved configuration of an attempt, and what it would take to repeat it.

    Raises InputError.
    """
    with _writing(configuration_file(folder, owner.attempt)) as path:
        path.write_text(configuration)
    commit, dirty = _git()
    _append(
        folder,
        {
            "attempt": owner.attempt,
            "command": owner.command,
            "cwd": os.getcwd(),
            "host": owner.host,
            "user": owner.user,
            "pid": owner.pid,
            "started": owner.started,
            "commit": commit,
            "dirty": dirty,
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in PACKAGES},
            "cpu": processor(),
        },
    )


def record_end(folder: Path, attempt: int, code: int, why: str = "") -> None:
    """Note how an attempt ended: its exit code, or `interrupted`; and why, where there is more to say.

    Raises InputError.
    """
    outcome = "interrupted" if code == INTERRUPTED else code
    _append(folder, {"attempt": attempt, "ended": now(), "exit": outcome, **({"why": why} if why else {})})


def read_attempts(folder: Path) -> list[dict[str, Any]]:
    """All attempts, oldest first: what `record_start` wrote, with `ended`, `exit` and perhaps `why`.

    The first two are None for an attempt that is at work or died. Torn lines are left out. Raises Unreadable.
    """
    attempts: dict[int, dict[str, Any]] = {}
    for entry in lines_of(attempts_file(folder)):
        if isinstance(entry.get("attempt"), int):
            attempts.setdefault(entry["attempt"], {"ended": None, "exit": None}).update(entry)
    return [attempts[number] for number in sorted(attempts)]


def attempts_file(folder: Path) -> Path:
    """One JSON object a line: the start and the end of each attempt."""
    return folder / "logs" / "attempts.jsonl"


def _append(folder: Path, entry: dict[str, Any]) -> None:
    with _writing(attempts_file(folder)) as path, open(path, "a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        torn = file.read(1) not in (b"", b"\n")  # the machine crashed while a line was written
        file.write(b"\n" * torn + json.dumps(entry).encode() + b"\n")
        flush(file.fileno())


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        raise InputError(
            f"cannot write {path}{whose(path)}: {error.strerror or error}; {mend_write(error)}"
        ) from error


def _git() -> tuple[str | None, bool | None]:
    """The commit of this program and whether the working tree differs; None, None outside a checkout."""
    if not (REPOSITORY / ".git").exists():
        return None, None  # installed somewhere inside another project's checkout, perhaps
    try:
        commit = _run_git("rev-parse", "HEAD")
        return commit.strip(), bool(_run_git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _run_git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_TIMEOUT_S).stdout


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
