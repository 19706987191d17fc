"""Files that can be trusted: published whole or not at all, with a record of what made them.

A writer works on a temporary name in the same folder; the file is flushed, fsynced and renamed,
and only then a completion record is published beside it. The record holds the fingerprint of the
settings and inputs that made the file, its size and its SHA-256. A file without a matching record
does not exist as far as the workflow is concerned.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError


@dataclass(frozen=True)
class Artifact:
    """A finished file: what passes between tasks instead of arrays."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """What an artifact is made of: the stage, its version, the settings it reads and its inputs.

    Raise a stage's `version` when its code starts to give other bytes for the same settings.
    `inputs` maps a name to an identity: the SHA-256 of an artifact, or what `file_identity` says.
    """

    stage: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON of the recipe."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def make(path: Path, recipe: Recipe, write: Callable[[Path], None]) -> Artifact:
    """Return the artifact at `path`, calling `write(temporary_path)` only if it is not there already.

    "There" means that a record with this recipe's fingerprint exists and the file has the
    recorded size. Raises InputError when the file system refuses (full, no permission).
    """
    found = finished(path, recipe)
    if found is not None:
        return found
    started = time.time()
    with publishing(path) as temporary:
        write(temporary)
        sha256 = file_sha256(temporary)
        size = temporary.stat().st_size
    record = {
        **asdict(recipe),
        "fingerprint": recipe.fingerprint,
        "size": size,
        "sha256": sha256,
        "started": started,
        "seconds": time.time() - started,
        "host": socket.gethostname(),
    }
    with publishing(_record_path(path)) as temporary:
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True))
    return Artifact(str(path), sha256)


def finished(path: Path, recipe: Recipe) -> Artifact | None:
    """The artifact at `path` if it is complete and made by this very recipe, else None."""
    try:
        record = json.loads(_record_path(path).read_text())
        if record["fingerprint"] == recipe.fingerprint and record["size"] == path.stat().st_size:
            return Artifact(str(path), record["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no record, or a torn one: the artifact is to be made
    return None


@contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it replaces `path` in one step.

    On any exception nothing of the temporary file stays and `path` is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_identity(path: Path) -> str:
    """A cheap identity of an input file: its absolute path, size and time of last change."""
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".done.json")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
