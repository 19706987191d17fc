"""Folders of a run: how many files are shared out among them, and those that may not be there yet."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.geometry import Triple
from pipeline.results.unreadable import ABSENT, is_there, reading


def place(folder: Path, start: Triple, name: str) -> Path:
    """Where below `folder` the file of this name lies that is about what starts at voxel `start`.

    There is a folder for every z that something starts at, and in it one for every y: with a million tiles
    a few hundred entries in each. It depends on nothing but the place, so it is the same in every attempt.
    """
    z, y, _ = start
    return Path(f"{folder}/z{z:06d}/y{y:06d}/{name}")


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and in those in it, sorted folder by folder; none where there is none.

    Raises Unreadable.
    """
    try:
        with reading(folder):
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except ABSENT:
        return []
    found = []
    for entry in entries:
        path = Path(entry.path)
        found += files_below(path) if entry.is_dir(follow_symlinks=False) else [path]
    return found


def existing_part(folder: Path) -> Path:
    """The folder itself or the nearest parent that exists. Raises Unreadable."""
    return next(f for f in (folder, *folder.parents) if is_there(f))
