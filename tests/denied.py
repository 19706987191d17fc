"""Files that cannot be read, by real means: permission, for root too, and links to themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def denied(path: Path) -> Iterator[None]:
    """Inside this context this process may not read the file or folder at `path`.

    Root may read everything, and is somebody else meanwhile: what it has made must lie in `public_folder`.
    """
    mode, is_root = path.stat().st_mode, os.geteuid() == 0
    path.chmod(0)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        path.chmod(mode)


def make_loop(path: Path) -> None:
    """Put a link to itself in the place of a file, which is kept beside it."""
    path.rename(path.with_name(path.name + ".kept"))
    path.symlink_to(path.name)


def end_loop(path: Path) -> None:
    """Put the file back."""
    path.with_name(path.name + ".kept").replace(path)


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Of all that is in a folder, when it was changed and how large it is."""
    return {p: (p.lstat().st_mtime_ns, p.lstat().st_size) for p in folder.rglob("*")}
