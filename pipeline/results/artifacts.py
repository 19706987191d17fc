"""What a task makes, what it is made of, and how a file is published whole or not at all.

A writer works on a temporary name in the same folder; the file is flushed, fsynced and renamed.
`pipeline.results.records` keeps the record of what made it. What is in a run folder is removed by `remove`
and logs are begun by `open_anew`: a process of an older attempt takes nothing from a newer one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from pipeline.errors import InputError
from pipeline.results.attempts.fencing import fence
from pipeline.results.attempts.owner import owner_file
from pipeline.results.bucket import Bucket
from pipeline.results.flush import flush
from pipeline.results.unreadable import mend_write

TEMPORARY = ".tmp"
_OWN_TEMPORARY = re.compile(r"\.(.+\.[a-z0-9_]{8}|[0-9a-f]{16})\.tmp")
"""As `tempfile` and `remove` make them here: others have files of such names too."""

_canonical = json.JSONEncoder(sort_keys=True).encode

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""How a file system says that a file has one name there and no other."""


Parts: TypeAlias = Path | Bucket
"""Where the files are that an artifact lists."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished file: what passes between tasks instead of arrays."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """What an artifact is made of: the stage, its version, the settings it reads and its inputs.

    Raise a stage's `version` when its code starts to give other bytes for the same settings.
    `inputs` maps a name to an identity: the SHA-256 of an artifact, or what `file_stamp` says.
    """

    stage: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON of the recipe."""
        return hashlib.sha256(_canonical(vars(self)).encode()).hexdigest()


@dataclass(frozen=True)
class Target:
    """A file that a task is to make, and what it is made of.

    Where the result is many files, `path` is a JSON object that lists those below `parts` by name,
    each with its `size` and `sha256`; they belong to the artifact as much as the list does.
    """

    path: Path
    recipe: Recipe
    parts: Parts | None = None


@contextmanager
def publishing(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """Give a temporary path to write to; on success it replaces `path` in one step.

    On any exception nothing of the temporary file stays and `path` is as it was. Nobody else can read it
    before; then those can whom `mode`, less the umask, lets. Raises InputError when the file system refuses,
    and Superseded when a newer attempt on the run folder has begun.
    """
    with temporary_for(path) as temporary:
        yield temporary
        install({temporary: path}, mode)


@contextmanager
def temporary_for(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, for `install`; raises InputError as `publishing` does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)  # without the fence: its name is known to nobody else
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; {mend_write(error)}") from error
    except RuntimeError as error:  # how HDF5 says so when it flushes
        refused = re.search(r"(?s)file write failed.*errno = (\d+)", str(error))
        if refused is None:
            raise
        reason = OSError(int(refused[1]), os.strerror(int(refused[1])))
        raise InputError(f"cannot write {path}: {reason.strerror}; {mend_write(reason)}") from error


def install(files: Mapping[Path, Path], mode: int = 0o666) -> None:
    """Flush temporary files and give them their names in one folder; no newer attempt comes between.

    Raises OSError, and Superseded when a newer attempt has begun; then nothing was named.
    """
    for temporary in files:
        os.chmod(temporary, mode & ~_umask())
        _sync(temporary)
    with fence():
        for temporary, path in files.items():
            os.replace(temporary, path)
        _sync(path.parent)


def install_first(temporary: Path, path: Path) -> bool:
    """Flush a temporary file and give it its name, unless there is a file of that name: whether it was given.

    Of all who try at the same time one succeeds. Raises as `install` does.
    """
    os.chmod(temporary, 0o666 & ~_umask())
    _sync(temporary)
    with fence():
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if path.exists():
                return False
            os.replace(temporary, path)  # two at the same moment may both succeed: the last one's stays
        _sync(path.parent)
    return True


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it, if it is there; no newer attempt intervenes.

    A folder is gone in one step: it gets a temporary name, and what is in it is removed after the fence.
    Raises InputError when the file system refuses, and Superseded when a newer attempt has begun; then
    nothing was removed.
    """
    try:
        if not path.is_dir() or path.is_symlink():
            with fence():
                path.unlink(missing_ok=True)
            return
        aside = path.with_name(f".{secrets.token_hex(8)}{TEMPORARY}")
        with suppress(FileNotFoundError), fence():
            os.rename(path, aside)
        # What cannot be removed now, is when the next attempt starts.
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot remove {path}: {error.strerror or error}; {mend_write(error)}") from error


def open_anew(path: Path) -> TextIO:
    """Open a log to be written from its beginning; no newer attempt comes between.

    It is another file than before: what the process of an older attempt still writes goes to the one that
    it has open, which has no name any more. Raises OSError, and Superseded when a newer attempt has begun.
    """
    with fence():
        path.unlink(missing_ok=True)
        return open(path, "w")


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers have left below `folder`; nobody of this attempt may be writing there.

    Folders below that have owners of their own are other runs', perhaps at work, and are left alone.
    Raises as `remove` does: those of a newer attempt's writers stay.
    """
    for parent, folders, names in os.walk(folder):
        if owner_file(Path(parent)).name in names and Path(parent) != folder:
            folders.clear()
            continue
        for name in filter(_is_temporary, [*folders, *names]):
            remove(Path(parent) / name)
        folders[:] = [name for name in folders if not _is_temporary(name)]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def combined(artifacts: Iterable[Artifact]) -> str:
    """One identity for many artifacts, whatever their order."""
    joined = " ".join(sorted(artifact.sha256 for artifact in artifacts))
    return hashlib.sha256(joined.encode()).hexdigest()


def file_stamp(path: Path) -> str:
    """A cheap identity of an input file: its absolute path, size and time of last change."""
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def _is_temporary(name: str) -> bool:
    return _OWN_TEMPORARY.fullmatch(name) is not None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        flush(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
